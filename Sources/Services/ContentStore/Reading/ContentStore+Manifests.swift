import Crypto
package import Primitives

extension ContentStore {
  /// Reads a large stored file, and stores and records its manifest, so that a node that requests a part of the file
  /// can verify that part. Takes about a second per gigabyte: call it on a separate thread. Sets the file aside if it
  /// does not have its hash.
  ///
  /// - Parameter isWanted: called now and then; returns whether to continue.
  /// - Throws: `hashMismatch` if the file is damaged; `notFound` if it is not stored; `cancelled`; `diskFull` and
  ///   similar.
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
      guard isWanted() else { throw KacheryError(.cancelled, "Making the manifest of \(reader.hash) was cancelled.") }
      let count = Int(min(UInt64(block.count), reader.size - digester.count))
      let bytes = UnsafeMutableRawBufferPointer(rebasing: block[..<count])
      try reader.read(at: digester.count, into: bytes)
      digester.update(UnsafeRawBufferPointer(bytes))
    }
    return digester.finish()
  }
}
