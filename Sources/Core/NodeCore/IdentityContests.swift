import Primitives

/// Nodes whose ID two processes have proved: one that has been linked, and one that came later. Usually the first has
/// ended, and its link is lost; if it answers, a copy of its key is in use.
struct IdentityContests: Sendable {
  /// How long the first process may take to answer.
  static let answerTime: Duration = .seconds(3)
  /// The pause of a node before it dials one again that is linked to another process with its identity.
  static let pause: Duration = .seconds(300)
  /// The end of a link belongs to a refusal that is not older.
  private static let closingTime: Duration = .seconds(10)
  /// Most refusals remembered.
  private static let capacity = 256

  private var numbers: [NodeID: UInt64] = [:]
  private var deadlines = Deadlines<NodeID>()
  private var lastNumber: UInt64 = 0
  private var refusedAt: [NodeID: Instant] = [:]

  /// When to call `due` next.
  var wakeAt: Instant? { deadlines.next }

  /// Whether it is not known yet which of the node's processes runs.
  func isOpen(_ node: NodeID) -> Bool { numbers[node] != nil }

  /// The number of the question to the node's first process.
  mutating func begin(_ node: NodeID, at now: Instant) -> UInt64 {
    if let number = numbers[node] { return number }
    lastNumber += 1
    numbers[node] = lastNumber
    deadlines.set(node, now + Self.answerTime)
    return lastNumber
  }

  /// Whether this answers the question.
  func isAnswer(_ number: UInt64, of node: NodeID) -> Bool { numbers[node] == number }

  mutating func end(_ node: NodeID) {
    numbers[node] = nil
    deadlines.clear(node)
  }

  /// The nodes whose first processes have not answered in time.
  func due(at now: Instant) -> [NodeID] { deadlines.due(at: now) }

  // MARK: This node's identity

  /// The node has ended the link because another process with this node's identity is linked to it.
  mutating func refused(by node: NodeID, at now: Instant) {
    if refusedAt.count >= Self.capacity { refusedAt = refusedAt.filter { now - $0.value < Self.closingTime } }
    if refusedAt.count < Self.capacity { refusedAt[node] = now }
  }

  /// How long to wait before dialing a node whose link has just ended; nil unless it ended for that.
  mutating func pause(beforeDialing node: NodeID, at now: Instant) -> Duration? {
    refusedAt.removeValue(forKey: node).flatMap { now - $0 < Self.closingTime ? Self.pause : nil }
  }
}
