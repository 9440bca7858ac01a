import Files
package import Primitives

/// The layout of a file's chunks: all of the same size except the last.
struct ChunkShape: Sendable {
  let manifest: ContentHash
  let count: Int
  let chunkSize: UInt64

  /// Nil if there are no chunks, or too many for a list that peers accept.
  init?(manifest: ContentHash, chunks: [Manifest.Chunk]) {
    guard let first = chunks.first, !first.range.isEmpty, chunks.count <= ChunkSet.maximumBytes * 8 else { return nil }
    self.manifest = manifest
    count = chunks.count
    chunkSize = first.range.count
  }

  /// The indices of the chunks that a range overlaps.
  func places(of range: ByteRange) -> ClosedRange<UInt64> {
    range.start / chunkSize...(max(range.end, range.start + 1) - 1) / chunkSize
  }
}

/// The part of an incoming file that other nodes may request.
package struct ArrivingFile: Hashable, Sendable {
  /// Size of the whole file, in bytes.
  package let size: UInt64
  package let manifest: ContentHash
  /// The chunks that are present and verified.
  package let chunks: ChunkSet
}

extension IncomingFile {
  /// The part that other nodes may request; nil if the file has no manifest or has ended.
  package func share() -> ArrivingFile? {
    guard let shape else { return nil }
    return state.withLock { state in
      guard state.isOpen else { return nil }
      var chunks = ChunkSet(of: shape.count)
      for start in state.verified.keys { chunks.insert(Int(start / shape.chunkSize)) }
      return ArrivingFile(size: size, manifest: shape.manifest, chunks: chunks)
    }
  }

  /// Opens the file for a peer that requests this range; nil unless all of the range is present and verified.
  ///
  /// The reader stays valid when the file is admitted or discarded: its verified bytes do not change.
  package func openShared(_ range: ByteRange) throws(KacheryError) -> StoredFileReader? {
    guard let shape, range.end <= size else { return nil }
    let isHere = state.withLock { state in
      state.isOpen && shape.places(of: range).allSatisfy { state.verified[$0 * shape.chunkSize] != nil }
    }
    guard isHere else { return nil }
    do throws(KacheryError) {
      return StoredFileReader(hash, try File(file.path, .read), size: size, nil)
    } catch  where error.code == .notFound {
      // It was admitted or discarded in the meantime.
      return nil
    }
  }
}
