import Primitives
import Wire

/// What the sessions with all nodes share.
struct SharedReach: Sendable {
  var own = OwnSide()
  var budget = PunchBudget()
  /// What takes place over UDP.
  var probes: ProbeRounds
  /// The nodes with which a session takes place.
  var active: Set<NodeID> = []
  /// What the sessions have requested since the last input.
  var actions: [PunchSchedule.Action] = []
  var random: any RandomNumberGenerator & Sendable

  /// The number of a new session.
  mutating func number() -> UInt32 { UInt32.random(in: 1...UInt32.max, using: &random) }

  /// The duration, varied by a quarter so that nodes do not act in lockstep.
  mutating func spread(_ duration: Duration) -> Duration {
    duration * Double.random(in: 0.75..<1.25, using: &random)
  }

  /// Whether there is room for a session with this node.
  func hasRoom(for peer: NodeID) -> Bool { active.contains(peer) || active.count < PunchBudget.maximumSessions }
}
