import Primitives

/// Why a link to a node is used, or is not, although the node has it.
package enum PathReason: Hashable, Sendable, CaseIterable {
  // The link in use.
  case only
  case othersSilent
  case noneAnswers
  case betterKind
  case shorterRoundTrip
  case equal
  case betterOneIsNew
  case chosenByOther
  // Other links.
  case silent
  case worseKind
  case unmeasured
  case longerRoundTrip
  case notBetter
  case soonUsed
  case otherNodeChose

  /// For people, to follow the words "in use" or "not in use".
  package var text: String {
    switch self {
    case .only: "the only one"
    case .othersSilent: "the others do not answer"
    case .noneAnswers: "it does not answer, but no other one does either"
    case .betterKind: "better kind of path"
    case .shorterRoundTrip: "shorter round trip"
    case .equal: "no other one is clearly better"
    case .betterOneIsNew: "the better one must prove itself first"
    case .chosenByOther: "the other node has chosen it"
    case .silent: "it does not answer"
    case .worseKind: "worse kind of path"
    case .unmeasured: "its round trip is not known yet"
    case .longerRoundTrip: "longer round trip"
    case .notBetter: "not clearly better"
    case .soonUsed: "better, and soon used if it stays so"
    case .otherNodeChose: "the other node has chosen another one"
    }
  }
}

extension LinkChoice {
  /// Why the chosen link is used, and why each other one is not.
  ///
  /// - Parameter decides: whether this node, not the other one, decides which link is used.
  func reasons(among candidates: [Candidate], decides: Bool) -> [LinkID: PathReason] {
    guard let current = candidates.first(where: { $0.link == link }) else { return [:] }
    let others = candidates.filter { $0.link != link }
    var reasons = [link: reason(for: current, beside: others, decides: decides)]
    for other in others { reasons[other.link] = reason(against: other, for: current, decides: decides) }
    return reasons
  }

  private func reason(for current: Candidate, beside others: [Candidate], decides: Bool) -> PathReason {
    guard !others.isEmpty else { return .only }
    let rivals = others.filter { !$0.isSilent }
    guard !rivals.isEmpty else { return current.isSilent ? .noneAnswers : .othersSilent }
    if rivals.contains(where: { $0.kind < current.kind || $0.isAhead(of: current) }) {
      return decides ? .betterOneIsNew : .chosenByOther
    }
    let equals = rivals.filter { $0.kind == current.kind }
    guard !equals.isEmpty else { return .betterKind }
    return equals.allSatisfy { current.isFaster(than: $0) } ? .shorterRoundTrip : .equal
  }

  private func reason(against other: Candidate, for current: Candidate, decides: Bool) -> PathReason {
    if other.isSilent { return .silent }
    if other.kind > current.kind { return .worseKind }
    if other.roundTrip == nil { return .unmeasured }
    if other.kind < current.kind || other.isAhead(of: current) {
      return decides ? .soonUsed : .otherNodeChose
    }
    return current.isFaster(than: other) ? .longerRoundTrip : .notBetter
  }
}

extension LinkChoice.Candidate {
  /// Whether it is of the same kind, and clearly faster.
  fileprivate func isAhead(of other: Self) -> Bool { kind == other.kind && isFaster(than: other) }
}
