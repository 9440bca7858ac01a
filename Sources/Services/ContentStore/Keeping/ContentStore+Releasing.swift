import Files
package import Primitives

/// What it takes to remove a file only if another node has it.
extension ContentStore {
  /// The bytes of some parts of a file, if it may be removed.
  ///
  /// - Returns: the size of the file, and the bytes of the parts that `parts` names for this size.
  /// - Throws: as `remove`; what reading throws.
  package func sample(
    _ hash: ContentHash, _ parts: (_ size: UInt64) -> [ByteRange]
  ) throws(KacheryError) -> (size: UInt64, parts: [(range: ByteRange, bytes: [UInt8])]) {
    try requireRemovable(hash)
    guard let reader = try open(hash) else {
      throw KacheryError(.notFound, "The file \(hash) is not in this storage directory; there is nothing to remove.")
    }
    defer { reader.close() }
    var sample: [(range: ByteRange, bytes: [UInt8])] = []
    for part in parts(reader.size) { sample.append((part, try reader.bytes(part))) }
    return (reader.size, sample)
  }

  /// The bytes that `remove` would move to the trash.
  ///
  /// - Throws: as `remove`.
  package func sizeToRemove(_ hash: ContentHash) throws(KacheryError) -> UInt64 {
    try requireRemovable(hash).file?.size ?? 0
  }

  /// Whether the node keeps an index in this storage directory, and so uses the same files.
  package func isUsed(by node: NodeID) -> Bool { FileSystem.exists(layout.index(of: node)) }

  /// The files that may go to keep to the limit, the first one first, and how many bytes should go.
  package func excess() throws(KacheryError) -> (files: [ListedFile], bytes: UInt64) {
    let (report, candidates) = try candidates(now: FileSystem.now)
    guard let limit = report.limit, report.remaining > limit else { return ([], 0) }
    return (candidates, report.remaining - limit / 10 * 9)
  }
}
