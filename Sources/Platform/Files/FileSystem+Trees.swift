package import Primitives

extension FileSystem {
  /// Removes a folder with everything in it. Links are removed, not followed. A missing folder is not an error.
  package static func removeTree(_ path: String) throws(KacheryError) {
    guard try statusIfPresent(path, followingLinks: false)?.kind == .folder else { return try remove(path) }
    for name in try names(in: path) { try removeTree("\(path)/\(name)") }
    try removeFolder(path)
  }
}
