import Primitives

/// Remembers which nodes sent wrong bytes for which files, so that they are not asked for them again immediately.
///
/// Bans are per file, not per node: one damaged file on a lab's server must not block everything else it has. After
/// `duration` the node gets another chance, because its owner may have repaired the file.
struct SourceBans: Sendable {
  static let duration: Duration = .seconds(600)
  /// Most entries; the oldest is removed first.
  static let capacity = 10_000

  private struct Entry: Hashable {
    let node: NodeID
    let hash: ContentHash
  }

  private var until: [Entry: Instant] = [:]

  mutating func note(_ node: NodeID, _ hash: ContentHash, at now: Instant) {
    if until.count >= Self.capacity { until = until.filter { $0.value > now } }
    if until.count >= Self.capacity, let oldest { until[oldest] = nil }
    until[Entry(node: node, hash: hash)] = now + Self.duration
  }

  private var oldest: Entry? {
    until.min { ($0.value, $0.key.node, $0.key.hash) < ($1.value, $1.key.node, $1.key.hash) }?.key
  }

  func covers(_ node: NodeID, _ hash: ContentHash, at now: Instant) -> Bool {
    until[Entry(node: node, hash: hash)].map { $0 > now } ?? false
  }
}
