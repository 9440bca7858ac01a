import Wire

extension ReachSession {
  /// What the other node has said about itself in this session.
  struct Other: Hashable, Sendable {
    var mapping: MappingKind
    var udpMapping: MappingKind
    var ways: PunchWays
    var candidates: [Candidate]
    /// Whether it knew this node's candidates when it said so: then it has opened its router for datagrams.
    var isOpen: Bool

    init(_ reach: Reach, isOpen: Bool) {
      (mapping, udpMapping, ways) = (reach.tcp, reach.udp, reach.ways)
      candidates = reach.candidates
      self.isOpen = isOpen
    }

    /// Whether it has yet to send the ports that its NAT will choose.
    var isPredicting: Bool { mapping == .sequence && !candidates.contains { $0.kind == .predicted } }
  }

  /// How to reach the other node by each transport that both use.
  func plans(_ own: OwnSide) -> [Candidate.Transport: PunchPlan] {
    guard let other else { return [:] }
    let candidates = CandidateFilter(own: own, seen: link.seen).admitted(other.candidates)
    var plans: [Candidate.Transport: PunchPlan] = [:]
    if other.ways.contains(.tcp) {
      plans[.tcp] = PunchPlan(
        own: own.mapping, other: other.mapping, predictsPorts: true,
        candidates: candidates.filter { $0.transport == .tcp })
    }
    if own.ways.intersection(other.ways).contains(.udp) {
      plans[.udp] = PunchPlan(
        own: own.udpMapping, other: other.udpMapping, predictsPorts: false,
        candidates: candidates.filter { $0.transport == .udp })
    }
    return plans
  }
}
