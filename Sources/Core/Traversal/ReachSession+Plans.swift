import Primitives
import Wire

extension ReachSession {
  enum Phase: Hashable, Sendable {
    /// Waits until fewer sessions take place.
    case idle
    /// Has sent its candidates, and waits for the other node.
    case asking
    /// This round begins at the deadline.
    case starting(UInt8)
    case punching(UInt8)
    /// Waits for the other node's candidates for this round, or for its start.
    case agreeing(UInt8)
    /// There is a direct link.
    case linked(since: Instant)
    case resting
  }

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

  /// The round that has led, or may yet lead, to a connection.
  var punchedRound: UInt8? {
    switch phase {
    case .punching(let round): round
    case .agreeing(let round): round - 1
    case .idle, .asking, .starting, .linked, .resting: nil
    }
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
