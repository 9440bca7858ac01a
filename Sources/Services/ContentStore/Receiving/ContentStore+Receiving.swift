package import Primitives

extension ContentStore {
  /// Starts receiving a file from other nodes, or resumes the session that an earlier process left.
  ///
  /// - Parameters:
  ///   - size: in bytes, as reported by the other nodes.
  ///   - manifest: the manifest that lists the chunks; without one, nothing of the file is shared before it is
  ///     complete.
  ///   - chunks: the chunks of the manifest. Those that an earlier session received are kept after hashing them again,
  ///     at about half a second per gigabyte; without chunks everything is received again.
  ///   - isBeside: whether this process already receives the file under another description. Nothing is then kept for a
  ///     later session. The same applies if an earlier session left chunks that this description does not have.
  /// - Throws: `alreadyRunning` if the file is already being received, unless `isBeside`; `diskFull` if there is no
  ///   room for it.
  package func beginReceive(
    _ hash: ContentHash, size: UInt64, manifest: ContentHash? = nil, chunks: [Manifest.Chunk] = [],
    isBeside: Bool = false
  ) throws(KacheryError) -> IncomingFile {
    try IncomingFile(self, hash, size: size, manifest: manifest, chunks: chunks, isBeside: isBeside)
  }
}
