package import Primitives

/// Finds who has a file, fetches its pieces from them and sees each verified, for any number of files and clients.
///
/// It moves no bytes and knows no clock: inputs come in through its methods, `nextEffect` says what to do, `wakeAt`
/// when `wake` wants to be called.
package struct TransferEngine: Sendable {
  /// How long peers may take to say whether they have a file that is to be loaded.
  package static let searchTime: Duration = .seconds(10)
  /// How long a search waits for a peer to appear while there is none to ask.
  package static let peerGrace: Duration = .seconds(3)
  /// How long a source may give nothing before it is given up.
  package static let silence: Duration = .seconds(20)
  /// Pieces asked of one node at once: while one arrives, the request for the next is already there.
  package static let piecesAhead = 2
  /// How often it is seen whether a source that has nothing to do should take over from a slow one.
  static let slownessCheck: Duration = .milliseconds(500)
  /// How often others take over from a source before it has given a piece, until it is given up.
  static let maximumOvertaken = 3

  var searches: [UInt32: Search] = [:]
  var downloads: [DownloadID: Download] = [:]
  var downloadOfHash: [ContentHash: DownloadID] = [:]
  var downloadOfLoad: [LoadID: DownloadID] = [:]
  var downloadOfFetch: [FetchID: DownloadID] = [:]
  var distrust = Distrust()
  var history = TransferHistory()
  let manifestThreshold: UInt64
  /// This node, whose place among those that load a file decides where it begins.
  let node: NodeID?
  /// Whether a peer may soon appear: somebody is being dialed or has not said hello. Kept up by the owner.
  package var expectsPeers = false
  /// The channels that are joined, without which there is nobody to wait for; nil until they are known. Kept up by the
  /// owner.
  package var topics: Set<Topic>?

  private var effects = EffectQueue<TransferEffect>()
  private var lastQuestion: UInt32 = 0
  private var lastNumber: UInt64 = 0

  /// Files of more than `manifestThreshold` bytes are fetched in the chunks of their manifest.
  package init(manifestThreshold: UInt64 = Limits.manifestThreshold, node: NodeID? = nil) {
    self.manifestThreshold = manifestThreshold
    self.node = node
  }

  /// The next thing to be done; nil when there is nothing until the next input.
  package mutating func nextEffect() -> TransferEffect? { effects.next() }

  mutating func emit(_ effect: TransferEffect) { effects.append(effect) }

  mutating func newNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  mutating func newQuestion() -> UInt32 {
    lastQuestion &+= 1
    return lastQuestion
  }

  // MARK: Clients

  /// A client wants to know who has a file. Each node that has it is reported as it answers.
  package mutating func find(_ id: FindID, _ wish: Wish, for duration: Duration, at now: Instant) {
    ask(.find(id), wish, for: duration, at: now)
  }

  /// The client no longer wants to know.
  package mutating func stopFind(_ id: FindID) {
    searches = searches.filter { $0.value.owner != .find(id) }
  }

  /// A client wants a file that is not here. A download of it that runs already serves this client as well.
  package mutating func load(_ id: LoadID, _ wish: Wish, at now: Instant) {
    downloadOfLoad[id] = join(wish, .load(id), at: now)
  }

  /// The client no longer waits. When nobody does, the download ends.
  package mutating func cancel(_ id: LoadID) {
    guard let download = downloadOfLoad.removeValue(forKey: id) else { return }
    leave(download, .load(id))
  }

  mutating func join(_ wish: Wish, _ waiter: Download.Waiter, at now: Instant) -> DownloadID {
    if let running = downloadOfHash[wish.key.hash] {
      downloads[running]?.waiters.append(waiter)
      return running
    }
    let id = DownloadID(number: newNumber())
    downloads[id] = Download(wish: wish, waiter: waiter)
    downloadOfHash[wish.key.hash] = id
    history.update(wish.key.hash) { $0.beginLoad() }
    ask(.download(id), wish, for: Self.searchTime, at: now)
    return id
  }

  mutating func leave(_ id: DownloadID, _ waiter: Download.Waiter) {
    downloads[id]?.waiters.removeAll { $0 == waiter }
    if downloads[id]?.waiters.isEmpty == true { end(id) }
  }

  /// Forgets a download and lets go of what it holds; its waiters have been told.
  mutating func end(_ id: DownloadID) {
    guard let download = downloads.removeValue(forKey: id) else { return }
    downloadOfHash[download.wish.key.hash] = nil
    searches = searches.filter { $0.value.owner != .download(id) }
    for fetch in download.fetches.keys { downloadOfFetch[fetch] = nil }
    for node in Set(download.fetches.values.map(\.node)).sorted() { emit(.abandon(id, node)) }
    emit(.discard(id))
    if case .fetchingManifest(let manifest) = download.phase { leave(manifest, .download(id)) }
  }

  // MARK: Time

  /// When `wake` wants to be called next.
  package var wakeAt: Instant? {
    let searchEnds = searches.values.map(\.endsAt)
    let silenceEnds = downloads.values.lazy.flatMap { download in
      Set(download.fetches.values.map(\.node)).compactMap { download.heardFrom[$0] }
    }.map { $0 + Self.silence }
    let pauseEnds = downloads.values.lazy.flatMap { $0.delays.values.compactMap(\.asksAgainAt) }
    let checks = downloads.values.flatMap { [$0.checksForSlownessAt, $0.asksAgainAt, $0.starvesUntil] }
    return (searchEnds + silenceEnds + pauseEnds + checks.compactMap { $0 }).min()
  }

  /// The downloads, the oldest first: whatever goes through them does so in the same order in every run.
  var downloadsInOrder: [(DownloadID, Download)] {
    downloads.sorted { $0.key.number < $1.key.number }.map { ($0.key, $0.value) }
  }

  /// Ends searches whose time is over and gives up sources that have fallen silent or behind.
  package mutating func wake(at now: Instant) {
    for (id, search) in searches.sorted(by: { $0.key < $1.key })
    where search.isOver(at: now, expectsPeers: expectsPeers, topics: topics) {
      finishSearch(id, at: now)
    }
    for (id, download) in downloadsInOrder {
      for node in Set(download.fetches.values.map(\.node)).sorted() {
        guard let heard = download.heardFrom[node], heard + Self.silence <= now else { continue }
        let hasWaited = downloads[id]?.delays[node]?.isTooLong(at: now) ?? false
        history.update(download.wish.key.hash) { $0.noteLoss(node, hasWaited ? .refused(.limitReached) : .silent) }
        if hasWaited { downloads[id]?.hasSearchedAgain = true }
        emit(.abandon(id, node))
        drop(node, from: id, at: now)
      }
      askBusySources(of: id, at: now)
      if let check = downloads[id]?.checksForSlownessAt, check <= now { overtakeSlowSources(of: id, at: now) }
      askForMore(of: id, at: now)
    }
  }
}
