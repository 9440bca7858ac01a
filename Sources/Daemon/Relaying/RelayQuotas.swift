import Primitives

/// What nodes may use of a relay. A value without I/O.
struct RelayQuotas {
  static let perPair = 4
  static let perNode = 64
  static let total = 2_048
  /// Streams that one node has yet to answer.
  static let unanswered = 16
  /// How many streams a node may open per second, and how many it may open ahead.
  static let openingRate = 10.0
  static let openingBurst = 20.0

  private struct Allowance {
    var openings: Double
    var updatedAt: Instant

    mutating func refill(at now: Instant) {
      openings = min(RelayQuotas.openingBurst, openings + (now - updatedAt).inSeconds * RelayQuotas.openingRate)
      updatedAt = now
    }
  }

  private var streams = 0
  private var nodes: [NodeID: Int] = [:]
  private var pairs: [NodePair: Int] = [:]
  private var asked: [NodeID: Int] = [:]
  private var allowances: [NodeID: Allowance] = [:]
  /// With more allowances than this, those that are full are looked for.
  private var mostAllowances = 64

  /// Pairs of nodes with streams between them.
  var pairCount: Int { pairs.count }
  /// Whether nothing is counted, apart from what nodes have opened lately.
  var isEmpty: Bool { streams == 0 && nodes.isEmpty && pairs.isEmpty && asked.isEmpty }
  /// Nodes whose openings are remembered.
  var rememberedNodes: Int { allowances.count }

  // MARK: The opener's stream

  /// Counts a stream that a node opens; false if it opens too many.
  mutating func open(by node: NodeID, at now: Instant) -> Bool {
    forgetOldOpenings(at: now)
    var allowance = allowances[node] ?? Allowance(openings: Self.openingBurst, updatedAt: now)
    allowance.refill(at: now)
    let mayOpen = allowance.openings >= 1 && streams < Self.total && nodes[node, default: 0] < Self.perNode
    if allowance.openings >= 1 { allowance.openings -= 1 }
    allowances[node] = allowance
    guard mayOpen else { return false }
    streams += 1
    nodes[node, default: 0] += 1
    return true
  }

  /// A stream of this node is over.
  mutating func close(by node: NodeID) {
    streams -= 1
    nodes.decrement(node)
  }

  /// A node whose allowance is full again is like one that has opened nothing.
  private mutating func forgetOldOpenings(at now: Instant) {
    guard allowances.count > mostAllowances else { return }
    allowances = allowances.filter { (now - $0.value.updatedAt).inSeconds * Self.openingRate < Self.openingBurst }
    mostAllowances = 2 * allowances.count + 64
  }

  // MARK: The way to the target

  /// Counts a stream that waits for the target's answer; false if there are too many of it already.
  mutating func connect(_ pair: NodePair, to target: NodeID) -> Bool {
    guard pairs[pair, default: 0] < Self.perPair, nodes[target, default: 0] < Self.perNode, ask(target) else {
      return false
    }
    pairs[pair, default: 0] += 1
    nodes[target, default: 0] += 1
    return true
  }

  /// Counts a question that waits for the target's answer; false if there are too many already.
  mutating func ask(_ target: NodeID) -> Bool {
    guard asked[target, default: 0] < Self.unanswered else { return false }
    asked[target, default: 0] += 1
    return true
  }

  /// The target has answered, or waits for nothing more.
  mutating func answered(by target: NodeID) { asked.decrement(target) }

  /// A stream between the two is over.
  mutating func disconnect(_ pair: NodePair, from target: NodeID) {
    pairs.decrement(pair)
    nodes.decrement(target)
  }
}

extension Dictionary where Value == Int {
  /// Counts one less, and forgets what is counted no more.
  mutating func decrement(_ key: Key) {
    guard let count = self[key] else { return }
    self[key] = count > 1 ? count - 1 : nil
  }
}
