package import Primitives
import Wire

/// Sources that are loading the file themselves: each has some of its chunks, and soon more.
///
/// Nodes that load a file together find each other because each asks the others for it: whoever asks for what this node is
/// loading is asked in turn. They are asked again while they may have something that is missing here.
extension TransferEngine {
  /// The least time between two questions of what a node has by now: chunks take about as long to arrive.
  static let askingPeriod: Duration = .seconds(1)
  /// How long after its question a node that wants the file is asked: it may have to read the manifest first.
  static let firstAskingPeriod: Duration = .milliseconds(200)
  /// For each source that is asked the period grows by so much: at most 20 questions a second.
  static let askingPeriodPerSource: Duration = .milliseconds(50)
  /// How long sources may have nothing that is missing, while nobody else has, before the load fails.
  package static let starvation: Duration = .seconds(60)

  /// A peer that may ask wants this file: if it is being loaded here, the peer may be loading it as well.
  package mutating func wanted(_ hash: ContentHash, by peer: NodeID, at now: Instant) {
    guard let id = downloadOfHash[hash], let download = downloads[id], download.mayUse(peer) else { return }
    downloads[id]?.wanters.insert(peer)
    downloads[id]?.noteWhatIsMissing(at: now)
  }

  /// Asks sources that had nothing more what they have by now, and gives up when they have had nothing for too long.
  mutating func askForMore(of id: DownloadID, at now: Instant) {
    if let due = downloads[id]?.starvesUntil, due <= now { return giveUpStarved(id, at: now) }
    guard let download = downloads[id], let due = download.asksAgainAt, due <= now else { return }
    let asked = Set(searches.values.lazy.filter { $0.owner == .download(id) }.flatMap(\.pending.keys))
    for node in download.exhausted.union(download.wanters).subtracting(asked).sorted() {
      ask(node, whatItHasOf: id, at: now)
    }
    downloads[id]?.wanters = []
    downloads[id]?.asksAgainAt = nil
    downloads[id]?.noteWhatIsMissing(at: now)
  }

  private mutating func ask(_ node: NodeID, whatItHasOf id: DownloadID, at now: Instant) {
    guard let download = downloads[id] else { return }
    let (source, wish) = (download.sources[node], download.wish)
    let question = Question(id: newQuestion(), hash: source?.hash ?? wish.key.hash, node: node, topic: wish.topic)
    searches[question.id] = Search(
      owner: .download(id), wanted: wish.key.hash, question: question, offset: source?.offset ?? 0,
      deadline: now + Self.searchTime, grace: now, isAfterLoss: false)
    emit(.ask(question))
  }

  private mutating func giveUpStarved(_ id: DownloadID, at now: Instant) {
    guard let download = downloads[id] else { return }
    for node in download.sources.keys.sorted() {
      emit(.abandon(id, node))
      drop(node, from: id, at: now)
    }
  }

  /// A node that was loading the file itself no longer gives it.
  mutating func loseIfPartial(_ node: NodeID, from id: DownloadID, at now: Instant) {
    guard let source = downloads[id]?.sources[node], !source.file.isWhole else { return }
    emit(.abandon(id, node))
    drop(node, from: id, at: now)
  }
}

extension Download {
  /// Sources that are loading the file themselves, at most: more would hardly have anything that these have not.
  static let maximumPartialSources = 32

  var hasWholeSource: Bool { sources.values.contains { $0.file.isWhole } }

  /// When the load fails unless something comes up.
  var starvesUntil: Instant? { starvesSince.map { $0 + TransferEngine.starvation } }

  func hasRoomForPartialSource(_ node: NodeID) -> Bool {
    sources[node] != nil || sources.values.count { !$0.file.isWhole } < Self.maximumPartialSources
  }

  /// Whether the peer, which is no source yet, could become one if it is loading the file too.
  func mayUse(_ peer: NodeID) -> Bool {
    wish.key.chunkOf == nil && (wish.node == nil || wish.node == peer) && sources[peer] == nil
      && misfits[peer] == nil && !liars.contains(peer) && wanters.count < Self.maximumPartialSources
  }

  /// Sets when to ask again, and notes since when nobody has anything that is missing.
  mutating func noteWhatIsMissing(at now: Instant) {
    guard phase == .fetching, plan?.manifest != nil || !exhausted.isEmpty, !unrequested.isEmpty else {
      asksAgainAt = nil
      starvesSince = nil
      return
    }
    let asked = exhausted.count + wanters.count
    let base = exhausted.isEmpty ? TransferEngine.firstAskingPeriod : TransferEngine.askingPeriod
    let period = base + TransferEngine.askingPeriodPerSource * asked
    asksAgainAt = asked == 0 ? nil : asksAgainAt ?? now + period
    // A source that is busy says when it will give more; that is waited for elsewhere.
    let starves = fetches.isEmpty && !sources.isEmpty && !sources.keys.contains { isResting($0) }
    starvesSince = starves ? starvesSince ?? now : nil
  }

  /// Whether the source has this piece; where it has a larger file that holds it, chunks have the usual size.
  private func gives(_ source: Source, _ piece: Int, chunkSize: UInt64) -> Bool {
    guard let chunks = source.file.chunks, let plan else { return true }
    guard source.hash != wish.key.hash else { return chunks.contains(piece) }
    let range = plan.pieces[piece].range
    let places =
      (source.offset + range.start) / chunkSize...(source.offset + max(range.end, range.start + 1) - 1) / chunkSize
    return places.allSatisfy { chunks.contains(Int(clamping: $0)) }
  }

  /// Whether the source has something that another one has been asked for.
  func couldGive(_ source: Source, somethingOf other: NodeID, whole chunkSize: UInt64) -> Bool {
    fetches.values.contains { $0.node == other && gives(source, $0.piece, chunkSize: chunkSize) }
  }

  /// Takes the piece that the source shall be asked for out of those that nobody has been asked for; where it has none of
  /// them, that is remembered.
  ///
  /// Pieces come in order while nobody else loads the file, so that it can be hashed as it arrives. Nodes that load it
  /// together each take from whoever has all of it what no other one has, and each from another place: of k nodes the
  /// one with the i-th ID begins after i/k of it. So all of it leaves the source once, and they give each other the rest.
  mutating func takePiece(for source: Source, whole chunkSize: UInt64, node: NodeID?) -> Int? {
    guard source.file.isWhole else {
      guard let index = unrequested.lastIndex(where: { gives(source, $0, chunkSize: chunkSize) }) else {
        exhausted.insert(source.node)
        return nil
      }
      return unrequested.remove(at: index)
    }
    let others = sources.values.filter { !$0.file.isWhole && $0.hash == wish.key.hash }
    guard let node, !others.isEmpty else { return unrequested.popLast() }
    let rare = unrequested.indices.reversed().filter { index in
      !others.contains { $0.file.chunks?.contains(unrequested[index]) ?? false }
    }
    guard !rare.isEmpty else { return unrequested.popLast() }
    let rank = others.count { $0.node < node }
    return unrequested.remove(at: rare[rare.count * rank / (others.count + 1)])
  }
}
