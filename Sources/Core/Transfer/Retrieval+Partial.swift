import Primitives
import Wire

/// Sources that are loading the file themselves: each has some of its chunks, and soon more.
///
/// Nodes that load a file at the same time find each other through their questions: a node that asks for a file that
/// this node is loading is asked in turn. They are asked again as long as they may have something that is missing here.
extension Retrieval {
  /// The least time between two questions about what a node has by now: chunks take about as long to arrive.
  private static let askingPeriod: Duration = .seconds(1)
  /// How long after its question a node that wants the file is asked: it may have to read the manifest first.
  private static let firstAskingPeriod: Duration = .milliseconds(200)
  /// Added to the period for each source that is asked: at most 20 questions per second.
  private static let askingPeriodPerSource: Duration = .milliseconds(50)
  /// Most sources that are loading the file themselves: more would hardly have anything new.
  private static let maximumPartialSources = 32

  /// A peer with permission wants this file: if it is being loaded here, the peer may be loading it as well.
  mutating func wanted(by peer: NodeID, at now: Instant) {
    guard mayUse(peer) else { return }
    asking.interested.insert(peer)
    noteWhatIsMissing(at: now)
  }

  /// Whether the peer, which is not a source yet, could become one if it is loading the file too.
  private func mayUse(_ peer: NodeID) -> Bool {
    query.key.chunkOf == nil && (query.node == nil || query.node == peer) && sources[peer] == nil
      && !ruledOut.nodes.contains(peer) && asking.interested.count < Self.maximumPartialSources
  }

  func hasRoomForPartialSource(_ node: NodeID) -> Bool {
    sources[node] != nil || sources.values.count { !$0.source.file.isWhole } < Self.maximumPartialSources
  }

  /// Asks sources that had nothing more what they have by now, and drops them when they have had nothing for too long.
  mutating func askForMore(except asked: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant) {
    if let due = starvesUntil, due <= now {
      for node in sources.keys.sorted() { drop(node, &out, at: now) }
      return
    }
    guard let due = asking.asksAt, due <= now else { return }
    let exhausted = sources.values.filter(\.isExhausted).map(\.node)
    for node in asking.interested.union(exhausted).subtracting(asked).sorted() {
      out.requests.append(.ask(node, of: hash))
    }
    asking.interested = []
    asking.asksAt = nil
    noteWhatIsMissing(at: now)
  }

  /// Drops a node that was loading the file itself and no longer offers it.
  mutating func loseIfPartial(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    guard let source = sources[node]?.source, !source.file.isWhole else { return }
    drop(node, &out, at: now)
  }

  /// When the retrieval fails unless something changes.
  var starvesUntil: Instant? { asking.starvesSince.map { $0 + TransferEngine.starvation } }

  /// Sets when to ask again, and records since when no source has anything that is missing.
  mutating func noteWhatIsMissing(at now: Instant) {
    let exhausted = sources.values.count(where: \.isExhausted)
    let isMissing = downloads.values.contains { download in
      guard let fetching = download.fetching else { return false }
      return !fetching.missing.isEmpty && (fetching.plan.manifest != nil || exhausted > 0)
    }
    guard isMissing else {
      asking.asksAt = nil
      asking.starvesSince = nil
      return
    }
    let asked = exhausted + asking.interested.count
    let base = exhausted == 0 ? Self.firstAskingPeriod : Self.askingPeriod
    let period = base + Self.askingPeriodPerSource * asked
    asking.asksAt = asked == 0 ? nil : asking.asksAt ?? now + period
    // Waiting for a busy source is handled separately.
    let starves =
      !sources.isEmpty && !sources.values.contains(where: \.isResting)
      && downloads.values.allSatisfy { $0.fetching?.fetches.isEmpty ?? false }
    asking.starvesSince = starves ? asking.starvesSince ?? now : nil
  }

  // MARK: Choosing a piece

  /// Whether the source has this piece; in a larger file that contains it, chunks have the usual size.
  func gives(_ source: Source, _ piece: Int, of id: DownloadID, _ chunkSize: UInt64) -> Bool {
    guard let chunks = source.file.chunks, let plan = downloads[id]?.plan else { return true }
    guard source.hash != hash else { return chunks.contains(piece) }
    let range = plan.pieces[piece].range
    let (start, hasOverflown) = source.offset.addingReportingOverflow(max(range.end, range.start + 1) - 1)
    guard !hasOverflown else { return false }
    return ((source.offset + range.start) / chunkSize...start / chunkSize).allSatisfy {
      chunks.contains(Int(clamping: $0))
    }
  }

  /// Removes the piece to request from the source from the missing ones; if the source has none of them, records that.
  ///
  /// Pieces are requested in order while no other node loads the file, so that it can be hashed as it arrives. Nodes
  /// that load it at the same time each request from a whole source the pieces that no other one has, starting at
  /// different places: of k nodes the one with the i-th ID starts after i/k of them. So the source sends each piece
  /// about once, and the nodes exchange the rest.
  mutating func takePiece(for node: NodeID, of id: DownloadID, _ out: TransferOutbox) -> Int? {
    guard let source = sources[node]?.source, let missing = downloads[id]?.fetching?.missing,
      let piece = choosePiece(for: source, of: missing, id, out)
    else {
      if sources[node]?.source.file.isWhole == false { sources[node]?.isExhausted = true }
      return nil
    }
    _ = downloads[id]?.change { $0.missing.remove(piece) }
    return piece
  }

  private func choosePiece(
    for source: Source, of missing: PieceSet, _ id: DownloadID, _ out: TransferOutbox
  ) -> Int? {
    guard source.file.isWhole else {
      return missing.places.first { gives(source, $0, of: id, out.manifestThreshold) }
    }
    let others = sources.values.filter {
      $0.download == id && !$0.source.file.isWhole && $0.source.hash == hash
    }
    guard let own = out.node, !others.isEmpty else { return missing.first }
    let rare = missing.places.filter { place in
      !others.contains { $0.source.file.chunks?.contains(place) ?? false }
    }
    guard !rare.isEmpty else { return missing.first }
    let rank = others.count { $0.node < own }
    return rare[rare.count * rank / (others.count + 1)]
  }
}
