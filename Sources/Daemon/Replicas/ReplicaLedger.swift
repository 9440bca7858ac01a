import ContentStore
import Files
import Primitives

/// Which files this node keeps for members: an empty file with the hash as its name for each, so that the owner's limit
/// holds across restarts.
struct ReplicaLedger: Sendable {
  private let folder: String

  /// - Parameter parent: the folder of the node's own files.
  init(in parent: String) { folder = "\(parent)/replicas" }

  /// The files that are still in the store, with their sizes in bytes. Forgets those that the owner has removed.
  func read(_ store: ContentStore) throws(KacheryError) -> [ContentHash: UInt64] {
    guard FileSystem.exists(folder) else { return [:] }
    var sizes: [ContentHash: UInt64] = [:]
    for name in try FileSystem.allNames(in: folder).names {
      guard let hash = ContentHash(hex: name) else { continue }
      if let file = try store.find(hash) {
        sizes[hash] = file.size
      } else {
        try FileSystem.remove("\(folder)/\(name)")
      }
    }
    return sizes
  }

  func add(_ hash: ContentHash) throws(KacheryError) {
    try FileSystem.createFolder(folder, permissions: 0o700)
    try FileSystem.replace("\(folder)/\(hash)", with: [], permissions: 0o600)
  }
}
