import Primitives
import Wire

/// How two nodes agree about guessing ports. Each says in `ways` whether it takes part, and in `part` whether it is to
/// happen: the controlling node if there is work that waits for it, the other one if there is, or if the first wants it.
extension ReachSession {
  /// Which ports this node guesses in a further round, as far as it depends on itself; nil if that is not needed,
  /// hopeless, or too soon.
  ///
  /// - Parameter question: what the controlling node has said, if that is answered: nothing is guessed unless both agree.
  func guess(inAnswerTo question: Punch?, _ shared: SharedReach, at now: Instant) -> PortGuess? {
    if let question {
      guard question.ways.contains(.guessing), question.part != .nothing || link.carriesWork else { return nil }
    }
    guard let guess = possibleGuess(shared.own), shared.probes.allows(guess, with: peer, at: now) else { return nil }
    return guess
  }

  /// What the two nodes could guess; nil if the kinds of their NATs do not fit, or one of them does not take part.
  func possibleGuess(_ own: OwnSide) -> PortGuess? {
    guard let other, own.ways.intersection(other.ways).contains(.guessing), let plan = plans(own)[.udp],
      // Elsewhere than where the node was seen, it may be anyone's.
      let target = plan.candidates.first(where: { $0.kind == .seen && $0.isIPv4 && link.sees($0.address) }),
      let endpoint = target.endpoint
    else { return nil }
    switch (plan.own, plan.other) {
    case (.random, .kept), (.random, .same), (.random, .unknown): return .opening(endpoint, target.address)
    case (.kept, .random), (.same, .random), (.unknown, .random): return .probing(endpoint, target.address)
    default: return nil
    }
  }

  /// Whether the other node's answer says that ports are guessed in the round.
  func agreesToGuess(_ answer: Punch) -> Bool { answer.ways.contains(.guessing) && answer.part != .nothing }

  /// What this node says about a further round.
  func punch(_ round: UInt8, _ own: OwnSide, isAnswer: Bool) -> Punch {
    var ways = own.ways
    if targets.guess == nil { ways.remove(.guessing) }
    let part = isAnswer || link.carriesWork ? targets.guess?.part : nil
    return Punch(
      session: number, round: round, ways: ways, part: part ?? .nothing, candidates: own.candidates(after: nil))
  }
}

extension Candidate {
  fileprivate var isIPv4: Bool { address.bytes.count == 4 }
}

extension ReachLink {
  /// Whether the relay, or this node itself, has seen the other node at this host.
  fileprivate func sees(_ host: IPAddress) -> Bool { seen.contains { IPAddress($0.host) == host } }
}
