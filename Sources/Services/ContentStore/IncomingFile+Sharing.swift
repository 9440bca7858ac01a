import Files
package import Primitives

/// How the chunks of a file lie in it: all of one size but the last.
struct ChunkShape: Sendable {
  let manifest: ContentHash
  let count: Int
  let chunkSize: UInt64

  /// Nil where there are none, or so many that no peer would take the list.
  init?(manifest: ContentHash, chunks: [Manifest.Chunk]) {
    guard let first = chunks.first, !first.range.isEmpty, chunks.count <= ChunkSet.maximumBytes * 8 else { return nil }
    self.manifest = manifest
    count = chunks.count
    chunkSize = first.range.count
  }

  /// The places of the chunks that a range touches.
  func places(of range: ByteRange) -> ClosedRange<UInt64> {
    range.start / chunkSize...(max(range.end, range.start + 1) - 1) / chunkSize
  }
}

/// What is here of a file that is still arriving, for other nodes.
package struct ArrivingFile: Hashable, Sendable {
  /// Of the whole, in bytes.
  package let size: UInt64
  package let manifest: ContentHash
  /// The chunks that are here and have their hash.
  package let chunks: ChunkSet
}

extension IncomingFile {
  /// What others may have of it; nil if it has no manifest, or has ended.
  package func share() -> ArrivingFile? {
    guard let shape else { return nil }
    return state.withLock { state in
      guard state.isOpen else { return nil }
      var chunks = ChunkSet(of: shape.count)
      for start in state.verified.keys { chunks.insert(Int(start / shape.chunkSize)) }
      return ArrivingFile(size: size, manifest: shape.manifest, chunks: chunks)
    }
  }

  /// Opens it for a peer that wants this range; nil if not all of that is here and has its hash.
  ///
  /// What was opened stays readable whatever becomes of the file: admitted or discarded, its verified bytes stay the same.
  package func openShared(_ range: ByteRange) throws(KacheryError) -> StoredFileReader? {
    guard let shape, range.end <= size else { return nil }
    let isHere = state.withLock { state in
      state.isOpen && shape.places(of: range).allSatisfy { state.verified[$0 * shape.chunkSize] != nil }
    }
    guard isHere else { return nil }
    do throws(KacheryError) {
      return StoredFileReader(hash, try File(file.path, .read), size: size, nil)
    } catch  where error.code == .notFound {
      // It was admitted, or is gone, since.
      return nil
    }
  }
}
