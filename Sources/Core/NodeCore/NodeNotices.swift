package import Primitives

/// A problem between two nodes that a person solves at one of them, for the owner of this one.
package struct NodeNotice: Hashable, Sendable {
  /// The kind of problem. The API shows the names.
  package enum Kind: String, Sendable, Comparable {
    /// A node that this one has dialed as a bootstrap node is none, and shares no channel with it.
    case notBootstrap
    /// A node asked for a link and shares no channel with this one.
    case noCommonChannel
    /// A bootstrap node does not introduce this node.
    case notIntroduced
    /// Another running process has the identity of this node, or two have that of another one.
    case copy

    package static func < (left: Kind, right: Kind) -> Bool { left.rawValue < right.rawValue }
  }

  package let kind: Kind
  /// The node that it is about.
  package let node: NodeID
  package let summary: String
  /// What to do, in sentences.
  package let advice: [String]
}

/// The latest notices: few of each kind, because strangers can cause some of them.
struct NodeNotices: Sendable {
  /// Most of one kind.
  static let capacity = 16
  /// How long a notice that is not repeated stays; longer than any cause of it takes to come up again.
  static let life: Duration = .seconds(900)

  private struct Key: Hashable, Comparable {
    let kind: NodeNotice.Kind
    let node: NodeID

    static func < (left: Key, right: Key) -> Bool { (left.kind, left.node) < (right.kind, right.node) }
  }

  private var entries: [Key: (notice: NodeNotice, at: Instant)] = [:]

  /// Adds a notice, or renews it.
  ///
  /// - Returns: whether it was not there.
  mutating func add(_ notice: NodeNotice, at now: Instant) -> Bool {
    entries = entries.filter { now - $0.value.at < Self.life }
    let key = Key(kind: notice.kind, node: notice.node)
    let same = entries.filter { $0.key.kind == notice.kind }
    if same.count >= Self.capacity, entries[key] == nil,
      let oldest = same.min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) })
    {
      entries[oldest.key] = nil
    }
    return entries.updateValue((notice, now), forKey: key) == nil
  }

  /// The node is linked, and nothing is wrong with that.
  mutating func remove(_ kinds: [NodeNotice.Kind], of node: NodeID) {
    for kind in kinds { entries[Key(kind: kind, node: node)] = nil }
  }

  /// The notices, the latest of each kind first.
  func current(at now: Instant) -> [NodeNotice] {
    entries.filter { now - $0.value.at < Self.life }
      .sorted { ($0.key.kind, $1.value.at, $0.key.node) < ($1.key.kind, $0.value.at, $1.key.node) }
      .map(\.value.notice)
  }
}
