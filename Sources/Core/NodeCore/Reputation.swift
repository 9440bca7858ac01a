import Discovery
import Primitives
import Wire

/// What is remembered about nodes beyond their links: their clocks, why they left or were refused, and their bad
/// answers.
struct Reputation: Sendable {
  /// Most nodes remembered per property; thousands of strangers must not fill the memory.
  static let capacity = 1_000

  /// How many seconds other nodes' clocks are ahead of this one's.
  private var clockOffsets: [NodeID: Int64] = [:]
  /// Nodes that have said that they stop, and have not been linked since.
  private var departed: Set<NodeID> = []
  /// Why links to nodes were refused by either side, since their last link.
  private var goodbyes: [NodeID: Goodbye] = [:]
  /// How many times each node has sent wrong bytes or made a false claim.
  private var badAnswers: [NodeID: Int] = [:]
  /// The channels over which nodes have refused a question of this node's, and answered none since.
  private var refusing: [NodeID: Set<Topic>] = [:]

  func clockOffset(of node: NodeID) -> Int64? { clockOffsets[node] }

  func badAnswers(of node: NodeID) -> Int { badAnswers[node] ?? 0 }

  /// Whether the node's last answer over the channel was that this one is not authorized.
  func refuses(_ node: NodeID, over topic: Topic) -> Bool { refusing[node]?.contains(topic) ?? false }

  mutating func record(isRefused: Bool, by node: NodeID, over topic: Topic) {
    guard isRefused else {
      refusing[node]?.remove(topic)
      if refusing[node]?.isEmpty == true { refusing[node] = nil }
      return
    }
    guard refusing[node] != nil || refusing.count < Self.capacity else { return }
    refusing[node, default: []].insert(topic)
  }

  func hasDeparted(_ node: NodeID) -> Bool { departed.contains(node) }

  /// How many seconds other nodes' clocks are ahead of this one's, according to their latest hello or signature.
  var clocks: ClockComparison { ClockComparison(offsets: clockOffsets) }

  /// Clocks that differ from this one by at least `seconds`, in the order of the nodes.
  func clocks(apartBy seconds: UInt64) -> [(node: NodeID, offset: Int64)] {
    clockOffsets.filter { $0.value.magnitude >= seconds }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Why links were refused, in the order of the nodes.
  var refusals: [(node: NodeID, goodbye: Goodbye)] {
    goodbyes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  mutating func recordClock(of node: NodeID, offset: Int64) {
    guard clockOffsets[node] != nil || clockOffsets.count < Self.capacity else { return }
    clockOffsets[node] = offset
  }

  mutating func forgetClock(of node: NodeID) { clockOffsets[node] = nil }

  mutating func record(_ goodbye: Goodbye, of node: NodeID) {
    switch goodbye.code {
    case .stopping:
      if departed.count < Self.capacity { departed.insert(node) }
    case .version, .full, .violation:
      if goodbyes.count < Self.capacity { goodbyes[node] = goodbye }
    case .duplicate, .noCommonChannel, .copy, .notIntroduced: break
    }
  }

  mutating func recordBadAnswer(by node: NodeID) {
    guard badAnswers[node] != nil || badAnswers.count < Self.capacity else { return }
    badAnswers[node, default: 0] += 1
  }

  /// The node is linked: forgets why it was away.
  mutating func recordLink(to node: NodeID) {
    departed.remove(node)
    goodbyes[node] = nil
    refusing[node] = nil
  }
}
