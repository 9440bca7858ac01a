import Primitives

/// How far a load is, for people who watch.
struct LoadProgress {
  /// How long a node counts as a source after its last bytes.
  private static let memory: Duration = .seconds(3)

  /// Whether the core works on it.
  var isUnderway = false
  private(set) var loaded: UInt64 = 0
  /// The size of the file; nil until a source has stated it.
  private(set) var total: UInt64?
  /// The node that serves others first, while nothing arrives because of that.
  private(set) var waitsFor: NodeID?
  private var heardFrom: [NodeID: Instant] = [:]

  /// Records that bytes have arrived.
  mutating func note(_ loaded: UInt64, of total: UInt64, from node: NodeID?, at now: Instant) {
    (self.loaded, self.total) = (loaded, total)
    guard let node else { return }
    waitsFor = nil
    heardFrom[node] = now
    // Many nodes may come and go during a long load.
    if heardFrom.count > 32 { heardFrom = heardFrom.filter { now - $0.value < Self.memory } }
  }

  /// Records that nothing arrives because a node serves others first.
  mutating func note(waitingFor node: NodeID) { waitsFor = node }

  /// The nodes that have sent the latest bytes.
  func sources(at now: Instant) -> [NodeID] {
    heardFrom.filter { now - $0.value < Self.memory }.keys.sorted()
  }
}
