import Primitives
import Wire

/// What to dial, or to probe, in a round, from what the two nodes know about each other.
///
/// What can work, works in the first round. So further rounds change the means: they try all candidates, and the two
/// nodes begin at slightly different times, in either order.
struct PunchPlan: Sendable {
  /// Attempts of one session.
  static let rounds: UInt8 = 3
  /// How much later one of the two nodes begins in the second and third round.
  static let shift: Duration = .milliseconds(30)

  /// How this node's NAT chooses ports, and how the other's does.
  let own: MappingKind
  let other: MappingKind
  /// Whether the ports that sequential NATs choose next are among the candidates.
  let predictsPorts: Bool
  /// The candidates of the other node that may be dialed, of one transport.
  let candidates: [Candidate]

  /// Whether no round can succeed: neither node can know from where the other's connection will come.
  func isHopeless(in round: UInt8) -> Bool {
    guard own.isHard, other.isHard, !candidates.contains(where: { $0.kind == .local || $0.kind == .ipv6 }) else {
      return false
    }
    // Sequences that were not met in the first round are not predictable.
    return round > 1 || !predictsPorts || own == .random || other == .random
  }

  /// The endpoints to dial in this round, best first.
  func endpoints(in round: UInt8) -> [Endpoint] {
    let usual = candidates.filter { $0.kind != .ownPort }
    return (round > 1 || usual.isEmpty ? candidates : usual).compactMap(\.endpoint)
  }

  /// How long the node that sends the start waits in addition to half of the round trip.
  static func delay(in round: UInt8, isControlling: Bool) -> Duration {
    switch round {
    case 2 where !isControlling: shift
    case 3 where isControlling: shift
    default: .zero
    }
  }
}
