import Primitives

/// The files that each node is a source of, so that what a node says or does concerns these files only.
struct SourceIndex: Sendable {
  private struct Entry {
    let version: UInt64
    let members: Set<NodeID>
  }

  private var entries: [ContentHash: Entry] = [:]
  private var hashes: [NodeID: Set<ContentHash>] = [:]

  /// The files that the node is a source of, in order.
  func files(of node: NodeID) -> [ContentHash] { (hashes[node] ?? []).sorted() }

  /// Takes in which nodes are sources of a file, unless this version of them is known.
  mutating func set(_ hash: ContentHash, version: UInt64, _ nodes: () -> [NodeID]) {
    guard entries[hash]?.version != version else { return }
    let (old, new) = (entries[hash]?.members ?? [], Set(nodes()))
    entries[hash] = Entry(version: version, members: new)
    // in any order: each node has a set of its own
    for node in old.subtracting(new) { remove(hash, of: node) }
    // in any order: each node has a set of its own
    for node in new.subtracting(old) { hashes[node, default: []].insert(hash) }
  }

  mutating func remove(_ hash: ContentHash) {
    // in any order: each node has a set of its own
    for node in entries.removeValue(forKey: hash)?.members ?? [] { remove(hash, of: node) }
  }

  private mutating func remove(_ hash: ContentHash, of node: NodeID) {
    hashes[node]?.remove(hash)
    if hashes[node]?.isEmpty == true { hashes[node] = nil }
  }
}
