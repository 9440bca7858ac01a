import Primitives
import Wire

/// Which of the missing pieces a source is asked for.
///
/// Pieces come in order while no other node loads the file, so that it can be hashed as it arrives. Nodes that load it
/// together each take from a source of all of it what no other one has, and each from another place: of k nodes the
/// one with the i-th ID begins after i/k of it. So all of it leaves the source once, and they give each other the rest.
struct PieceChoice {
  let plan: DownloadPlan
  /// Sources that are loading the file themselves.
  let others: [Source]
  /// This node, whose place among the others decides where it begins; nil if it does not count.
  let own: NodeID?
  /// Bytes in a chunk of a larger file of which this one is a part.
  let chunkSize: UInt64

  /// The piece to ask the source for; nil if it has none of these.
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

  /// Whether the source has this piece; if it has a larger file that holds it, chunks have the usual size.
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
