package import Primitives

extension ContentStore {
  /// Begins to receive a file from other nodes, or goes on where an earlier session ended.
  ///
  /// - Parameters:
  ///   - size: in bytes, as the other nodes say.
  ///   - manifest: the manifest that names the chunks; what is here of a file without one is not given to others.
  ///   - chunks: those of the file's manifest. What an earlier session received of them is taken over after it was
  ///     hashed again, at about half a second a gigabyte; without chunks everything is received anew.
  ///   - isBeside: whether the same process receives the file already, as other nodes describe it differently. Nothing of
  ///     it is kept for a later session then. The same holds if an earlier session left chunks that this description of
  ///     the file does not have.
  /// - Throws: `alreadyRunning` if the file is being received already, unless `isBeside`; `diskFull` if there is no room
  ///   for it.
  package func beginReceive(
    _ hash: ContentHash, size: UInt64, manifest: ContentHash? = nil, chunks: [Manifest.Chunk] = [],
    isBeside: Bool = false
  ) throws(KacheryError) -> IncomingFile {
    try IncomingFile(self, hash, size: size, manifest: manifest, chunks: chunks, isBeside: isBeside)
  }
}
