import Crypto
package import Primitives

extension ContentStore {
  /// Reads a large file that is here, stores its manifest and remembers it: a node that wants a part of the file can then
  /// verify that part. Takes about a second a gigabyte, so: on a thread of its own. A file that turns out not to have
  /// its hash is set aside.
  ///
  /// - Parameter isWanted: asked now and then whether to go on.
  /// - Throws: `hashMismatch` if the file is damaged; `notFound` if it is not here; `cancelled`; `diskFull` and the like.
  package func makeManifest(of hash: ContentHash, while isWanted: () -> Bool = { true }) throws(KacheryError) {
    guard let reader = try open(hash) else {
      throw KacheryError(.notFound, "The file \(hash) is not here, so it has no manifest; store it first.")
    }
    defer { reader.close() }
    let (found, manifest) = try digest(reader, isWanted)
    guard found == hash else {
      reader.close()
      _ = try verify(only: [hash]) { _ in true }
      throw Self.damaged(hash)
    }
    noteManifest(try manifest.map(storeManifest), of: hash, size: reader.size)
  }

  private func digest(
    _ reader: StoredFileReader, _ isWanted: () -> Bool
  ) throws(KacheryError) -> (hash: ContentHash, manifest: Manifest?) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.blockSize, alignment: 4096)
    defer { block.deallocate() }
    var digester = ContentDigester()
    while digester.count < reader.size {
      guard isWanted() else { throw KacheryError(.cancelled, "Making the manifest of \(reader.hash) has ended.") }
      let count = Int(min(UInt64(block.count), reader.size - digester.count))
      let bytes = UnsafeMutableRawBufferPointer(rebasing: block[..<count])
      try reader.read(at: digester.count, into: bytes)
      digester.update(UnsafeRawBufferPointer(bytes))
    }
    return digester.finish()
  }
}
