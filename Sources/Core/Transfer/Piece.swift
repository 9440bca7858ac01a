package import Primitives

/// A part of a file that is fetched from one node: a chunk of the manifest, or, where there is no manifest, the whole
/// file or a stripe of it.
package struct Piece: Hashable, Sendable {
  package let range: ByteRange
  /// By which the piece is verified by itself; nil for a stripe, which only the whole file verifies.
  package let hash: ContentHash?

  package init(range: ByteRange, hash: ContentHash?) {
    self.range = range
    self.hash = hash
  }
}

/// What a download will write: how large the file is and how it is cut.
package struct DownloadPlan: Hashable, Sendable {
  /// The file's hash, under which it will be admitted.
  package let hash: ContentHash
  /// In bytes.
  package let size: UInt64
  /// The manifest whose chunks the pieces are; nil where there is none.
  package let manifest: ContentHash?
  /// In order, without gaps; an empty file is one empty piece.
  package let pieces: [Piece]

  /// The plan for a file of which only hash and size are known: one piece, or stripes where it is larger than one.
  package init(hash: ContentHash, size: UInt64, stripe: UInt64) {
    self.hash = hash
    self.size = size
    manifest = nil
    guard size > stripe else {
      pieces = [Piece(range: ByteRange(whole: size), hash: hash)]
      return
    }
    pieces = Swift.stride(from: 0, to: size, by: Int(stripe)).compactMap { start in
      ByteRange(start: start, end: min(start + stripe, size)).map { Piece(range: $0, hash: nil) }
    }
  }

  /// The plan that the file's manifest, `named` by its own hash, gives; nil where the manifest is of another file.
  package init?(hash: ContentHash, manifest: Manifest, named: ContentHash) {
    guard manifest.hash == hash, !manifest.chunks.isEmpty else { return nil }
    self.hash = hash
    size = manifest.size
    self.manifest = named
    pieces = manifest.chunks.map { Piece(range: $0.range, hash: $0.hash) }
  }
}
