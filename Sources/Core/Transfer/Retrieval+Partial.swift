import Primitives
import Wire

/// Sources that are loading the file themselves: each has some of its chunks, and soon more.
///
/// Nodes that load a file together find each other because each asks the others for it: a node that asks for what this
/// node is loading is asked in turn. They are asked again while they may have something that is missing here.
extension Retrieval {
  /// The least time between two questions of what a node has by now: chunks take about as long to arrive.
  private static let askingPeriod: Duration = .seconds(1)
  /// How long after its question a node that wants the file is asked: it may have to read the manifest first.
  private static let firstAskingPeriod: Duration = .milliseconds(200)
  /// For each source that is asked the period grows by so much: at most 20 questions a second.
  private static let askingPeriodPerSource: Duration = .milliseconds(50)
  /// Sources that are loading the file themselves, at most: more would hardly have anything that these have not.
  private static let maximumPartialSources = 32

  /// A peer that may ask wants this file: if it is being loaded here, the peer may be loading it as well.
  mutating func wanted(by peer: NodeID, at now: Instant) {
    guard mayUse(peer) else { return }
    asking.interested.insert(peer)
    noteWhatIsMissing(at: now)
  }

  /// Whether the peer, which is no source yet, could become one if it is loading the file too.
  private func mayUse(_ peer: NodeID) -> Bool {
    query.key.chunkOf == nil && (query.node == nil || query.node == peer) && sources[peer] == nil
      && !ruledOut.nodes.contains(peer) && asking.interested.count < Self.maximumPartialSources
  }

  func hasRoomForPartialSource(_ node: NodeID) -> Bool {
    sources[node] != nil || sources.values.count { !$0.source.file.isWhole } < Self.maximumPartialSources
  }

  /// Asks sources that had nothing more what they have by now, and gives up when they have had nothing for too long.
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

  /// A node that was loading the file itself no longer gives it.
  mutating func loseIfPartial(_ node: NodeID, _ out: inout TransferOutbox, at now: Instant) {
    guard let source = sources[node]?.source, !source.file.isWhole else { return }
    drop(node, &out, at: now)
  }

  /// When the retrieval fails unless something comes up.
  var starvesUntil: Instant? { asking.starvesSince.map { $0 + TransferEngine.starvation } }

  /// Sets when to ask again, and notes since when nobody has anything that is missing.
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
    // A source that is busy says when it will give more; that is waited for elsewhere.
    let starves =
      !sources.isEmpty && !sources.values.contains(where: \.isResting)
      && downloads.values.allSatisfy { $0.fetching?.fetches.isEmpty ?? false }
    asking.starvesSince = starves ? asking.starvesSince ?? now : nil
  }

  // MARK: Which piece

  /// Whether the source has this piece; if it has a larger file that holds it, chunks have the usual size.
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

  /// Takes the piece that the source shall be asked for out of the missing ones; if it has none of them, that is remembered.
  ///
  /// Pieces come in order while no other node loads the file, so that it can be hashed as it arrives. Nodes that load it
  /// together each take from a source of all of it what no other one has, and each from another place: of k nodes the
  /// one with the i-th ID begins after i/k of it. So all of it leaves the source once, and they give each other the rest.
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
