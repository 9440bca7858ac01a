import Primitives
import Wire

/// Chooses the missing piece to request from a source.
///
/// Pieces are requested in order while no other node loads the file, so that it can be hashed as it arrives. Nodes that
/// load it at the same time each request from a whole source the pieces that no other one has, starting at different
/// places: of k nodes the one with the i-th ID starts after i/k of them. So the source sends each piece about once, and
/// the nodes exchange the rest.
struct PieceChoice {
  let plan: DownloadPlan
  /// Sources that are loading the file themselves.
  let others: [Source]
  /// This node; its rank among the others decides where it starts. Nil if it does not count.
  let own: NodeID?
  /// Bytes per chunk of the larger file, if this file is a part of one.
  let chunkSize: UInt64

  /// The piece to request from the source; nil if it has none of these.
  func piece(for source: Source, of missing: PieceSet) -> Int? {
    guard source.file.isWhole else { return missing.places.first { gives(source, $0) } }
    guard let own, !others.isEmpty else { return missing.first }
    let rare = missing.places.filter { place in
      !others.contains { $0.file.chunks?.contains(place) ?? false }
    }
    guard !rare.isEmpty else { return missing.first }
    let rank = others.count { $0.node < own }
    return rare[rare.count * rank / (others.count + 1)]
  }

  /// Whether the source has this piece; in a larger file that contains it, chunks have the usual size.
  func gives(_ source: Source, _ piece: Int) -> Bool {
    guard let chunks = source.file.chunks else { return true }
    guard source.hash != plan.hash else { return chunks.contains(piece) }
    let range = plan.pieces[piece].range
    let (start, hasOverflown) = source.offset.addingReportingOverflow(max(range.end, range.start + 1) - 1)
    guard !hasOverflown else { return false }
    return ((source.offset + range.start) / chunkSize...start / chunkSize).allSatisfy {
      chunks.contains(Int(clamping: $0))
    }
  }
}
