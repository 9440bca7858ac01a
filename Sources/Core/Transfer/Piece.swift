package import Primitives

/// A part of a file that is fetched from one node: a chunk of the manifest or, without a manifest, the whole file or a
/// stripe of it.
package struct Piece: Hashable, Sendable {
  package let range: ByteRange
  /// Verifies the piece by itself; nil for a stripe, which only the whole file verifies.
  package let hash: ContentHash?

  package init(range: ByteRange, hash: ContentHash?) {
    self.range = range
    self.hash = hash
  }
}

/// How a download is cut into pieces, and the size of the file.
package struct DownloadPlan: Hashable, Sendable {
  private enum Cut: Hashable {
    case whole
    case stripes(of: UInt64)
    case chunks(Manifest, named: ContentHash)
  }

  /// The file's hash, under which it will be admitted.
  package let hash: ContentHash
  /// In bytes.
  package let size: UInt64
  private let cut: Cut

  /// The plan for a file with only a known hash and size: one piece, or stripes if it is larger than one stripe.
  package init(hash: ContentHash, size: UInt64, stripe: UInt64) {
    self.hash = hash
    self.size = size
    cut = size > stripe && stripe > 0 ? .stripes(of: stripe) : .whole
  }

  /// The plan of the file's manifest, `named` by its own hash; nil if the manifest is of another file, or of one larger
  /// than possible.
  package init?(hash: ContentHash, manifest: Manifest, named: ContentHash) {
    guard manifest.hash == hash, !manifest.chunks.isEmpty, manifest.size <= Limits.maximumFileSize else { return nil }
    self.hash = hash
    size = manifest.size
    cut = .chunks(manifest, named: named)
  }

  /// The manifest whose chunks the pieces are; nil if there is none.
  package var manifest: ContentHash? { if case .chunks(_, let name) = cut { name } else { nil } }

  /// Whether every piece has its own hash. A file that is one piece has its own.
  package var verifiesPieces: Bool { if case .stripes = cut { false } else { true } }

  /// The pieces, in order and without gaps; an empty file is one empty piece. Computed on demand, because the size is
  /// only a claim.
  package var pieces: Pieces { Pieces(plan: self) }

  /// The index of the piece with exactly this range; nil if there is none.
  package func place(of range: ByteRange) -> Int? {
    let places = pieces
    let length = places[0].range.count
    guard length > 0, let place = Int(exactly: range.start / length), place < places.count else { return nil }
    return places[place].range == range ? place : nil
  }

  /// The chunks of the manifest; empty if there is none.
  package var chunks: [Manifest.Chunk] { if case .chunks(let manifest, _) = cut { Array(manifest.chunks) } else { [] } }

  /// The pieces of a plan, computed on demand.
  package struct Pieces: RandomAccessCollection, Sendable {
    let plan: DownloadPlan

    package var startIndex: Int { 0 }

    package var endIndex: Int {
      switch plan.cut {
      case .whole: 1
      case .stripes(let stripe): Int(clamping: (plan.size - 1) / stripe + 1)
      case .chunks(let manifest, _): manifest.chunks.count
      }
    }

    package subscript(place: Int) -> Piece {
      switch plan.cut {
      case .whole: return Piece(range: ByteRange(whole: plan.size), hash: plan.hash)
      case .stripes(let stripe):
        let start = UInt64(place) * stripe
        let range = ByteRange(start: start, end: start + Swift.min(stripe, plan.size - start))
        return Piece(range: range ?? ByteRange(whole: 0), hash: nil)
      case .chunks(let manifest, _):
        let chunk = manifest.chunks[place]
        return Piece(range: chunk.range, hash: chunk.hash)
      }
    }
  }
}
