import Primitives

/// How many joined lanes nodes may have at a relay. A value without I/O.
struct LaneQuotas {
  /// Lanes of two nodes, waiting or joined.
  static let perPair = 8
  /// Lanes of one node.
  static let perNode = 64
  static let total = 256
  /// Lanes that still wait for a connection.
  static let waiting = 64
  /// Those that one node has asked for.
  static let waitingPerNode = 16
  /// Connections from one address that wait for the other one.
  static let waitingPerAddress = 8

  private var lanes = 0
  private var pairs: [NodePair: Int] = [:]
  private var nodes: [NodeID: Int] = [:]
  private var waiting: [NodeID: Int] = [:]
  private var waitingLanes = 0

  /// Whether nothing is counted.
  var isEmpty: Bool { lanes == 0 && pairs.isEmpty && nodes.isEmpty && waiting.isEmpty && waitingLanes == 0 }

  /// Whether the opener may have another lane to the other node.
  func admits(_ pair: NodePair, by opener: NodeID) -> Bool {
    lanes < Self.total && waitingLanes < Self.waiting && pairs[pair, default: 0] < Self.perPair
      && waiting[opener, default: 0] < Self.waitingPerNode
      && [pair.lower, pair.higher].allSatisfy { nodes[$0, default: 0] < Self.perNode }
  }

  /// Counts a lane that waits for its connections; false if there are too many.
  mutating func open(_ pair: NodePair, by opener: NodeID) -> Bool {
    guard admits(pair, by: opener) else { return false }
    lanes += 1
    waitingLanes += 1
    pairs[pair, default: 0] += 1
    waiting[opener, default: 0] += 1
    for node in [pair.lower, pair.higher] { nodes[node, default: 0] += 1 }
    return true
  }

  /// The lane that the opener asked for waits no longer.
  mutating func endWaiting(by opener: NodeID) {
    waitingLanes -= 1
    waiting.decrement(opener)
  }

  /// The lane is over.
  mutating func close(_ pair: NodePair) {
    lanes -= 1
    pairs.decrement(pair)
    for node in [pair.lower, pair.higher] { nodes.decrement(node) }
  }
}
