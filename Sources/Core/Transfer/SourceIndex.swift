import Primitives

/// The files that each node is a source of, so that an event of a node affects only these files.
struct SourceIndex: Sendable {
  private struct Entry {
    let version: UInt64
    let members: Set<NodeID>
  }

  private var entries: [ContentHash: Entry] = [:]
  private var hashes: [NodeID: Set<ContentHash>] = [:]

  /// The files that the node is a source of, in order.
  func files(of node: NodeID) -> [ContentHash] { (hashes[node] ?? []).sorted() }

  /// Records the sources of a file, unless this version is known.
  mutating func set(_ hash: ContentHash, version: UInt64, _ nodes: () -> [NodeID]) {
    guard entries[hash]?.version != version else { return }
    let (old, new) = (entries[hash]?.members ?? [], Set(nodes()))
    entries[hash] = Entry(version: version, members: new)
    // in any order: each node has its own set
    for node in old.subtracting(new) { remove(hash, of: node) }
    // in any order: each node has its own set
    for node in new.subtracting(old) { hashes[node, default: []].insert(hash) }
  }

  mutating func remove(_ hash: ContentHash) {
    // in any order: each node has its own set
    for node in entries.removeValue(forKey: hash)?.members ?? [] { remove(hash, of: node) }
  }

  private mutating func remove(_ hash: ContentHash, of node: NodeID) {
    hashes[node]?.remove(hash)
    if hashes[node]?.isEmpty == true { hashes[node] = nil }
  }
}
