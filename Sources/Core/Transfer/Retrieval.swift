import Primitives
import Wire

/// A wanted file: who waits for it, which nodes have it, and the attempts at it.
///
/// What a node says about a file is a claim. Nodes that agree serve one attempt together; contradicting claims get
/// separate attempts, which run concurrently. The first attempt whose bytes have the file's hash wins.
struct Retrieval: Sendable {
  /// Most concurrent attempts. Each costs a file and, while its sources send, their windows; nodes that each make a
  /// different claim must not keep an honest one waiting.
  static let maximumDownloads = 32
  /// How long the other sources wait for a manifest that one of them has named.
  static let manifestPatience: Duration = .milliseconds(600)

  /// Those that wait for the file.
  enum Waiter: Hashable, Sendable {
    case load(LoadID)
    /// The file is the manifest that this download needs.
    case download(DownloadID)
  }

  /// What has turned out to be false.
  struct RuledOut: Sendable {
    /// Nodes that sent wrong bytes, or made impossible claims.
    var nodes: [NodeID] = []
    /// Manifests that are not this file's.
    var manifests: Set<ContentHash> = []
    /// Sizes for which the bytes of several nodes together were wrong: only trying each alone shows whose.
    var sizes: Set<UInt64> = []
  }

  /// The sources that were lost.
  struct Losses: Sendable {
    var last: NodeID?
    /// Whether the last one may return in a moment: its link broke.
    var mayReturn = false
    /// The bytes that had arrived at the last search; nil if there was none.
    var searchedWith: UInt64?
    /// When the last search began.
    var searchedAt: Instant?
    /// How many nodes were asked.
    var asked = 0
  }

  /// Questions to nodes that are loading the file themselves.
  struct Asking: Sendable {
    /// Nodes that have asked for the file meanwhile: they may be loading it too.
    var interested: Set<NodeID> = []
    /// When to ask them, and sources that had nothing more, what they have.
    var asksAt: Instant?
    /// Since when no source has anything that is missing.
    var starvesSince: Instant?
  }

  let query: FileQuery
  /// Whether the file is only wanted as another file's manifest. A manifest has no manifest, and is not large.
  let isManifest: Bool
  var waiters: [Waiter]
  var sources: [NodeID: SourceState] = [:]
  var downloads: [DownloadID: Download] = [:]
  var ruledOut = RuledOut()
  var losses = Losses()
  var asking = Asking()
  /// Why an attempt could not be written.
  var storageError: KacheryError?

  init(_ query: FileQuery, isManifest: Bool, waiter: Waiter) {
    self.query = query
    self.isManifest = isManifest
    waiters = [waiter]
  }

  var hash: ContentHash { query.key.hash }

  /// The attempts, oldest first, so that every run visits them in the same order.
  var downloadsInOrder: [DownloadID] { downloads.keys.sorted { $0.number < $1.number } }

  func sources(of id: DownloadID) -> [SourceState] {
    sources.values.filter { $0.download == id }.sorted { $0.node < $1.node }
  }

  var hasWholeSource: Bool { sources.values.contains { $0.source.file.isWhole } }

  /// The most bytes that have arrived in any attempt.
  var loadedBytes: UInt64 { downloads.values.lazy.map(\.loadedBytes).max() ?? 0 }

  /// The attempt with the most progress, which is reported to the clients.
  var leader: DownloadID? {
    guard downloads.count > 1 else { return downloads.keys.first }
    return downloads.max { one, other in
      (one.value.loadedBytes, other.key.number) < (other.value.loadedBytes, one.key.number)
    }?.key
  }

  /// Whether the attempt can still succeed without another answer.
  func isActive(_ id: DownloadID) -> Bool {
    switch downloads[id]?.phase {
    case .readingManifest?, .fetchingManifest?, .preparing?, .completing?: true
    case .fetching?, .waiting?: sources.values.contains { $0.download == id }
    case .postponed?, nil: false
    }
  }

  // MARK: The end

  /// Starts attempts that have waited, and postponed ones once nothing else is left to try.
  ///
  /// - Returns: why the retrieval fails, if nothing is running and `isSearching` is false.
  mutating func settle(isSearching: Bool, _ out: inout TransferOutbox, at now: Instant) -> TransferFailure? {
    for id in downloadsInOrder {
      if case .waiting? = downloads[id]?.phase, isActive(id) { start(id, &out, at: now) }
    }
    guard !downloads.keys.contains(where: isActive), !isSearching else { return nil }
    if retryPostponed(&out, at: now) { return nil }
    return failure
  }

  /// A claim of a huge file must not use up the disk for the true one: what could not be written is retried when it is
  /// the only one left, the smallest file first.
  private mutating func retryPostponed(_ out: inout TransferOutbox, at now: Instant) -> Bool {
    let postponed = downloadsInOrder.filter { id in
      guard case .postponed(mayRetry: true)? = downloads[id]?.phase else { return false }
      return !sources(of: id).isEmpty
    }
    guard let next = postponed.min(by: { (claimedSize($0), $0.number) < (claimedSize($1), $1.number) }) else {
      return false
    }
    restart(next, &out, at: now)
    return true
  }

  private func claimedSize(_ id: DownloadID) -> UInt64 { sources(of: id).map(\.source.file.size).max() ?? 0 }

  private var failure: TransferFailure {
    if let storageError { return .storage(storageError) }
    if !ruledOut.nodes.isEmpty { return .corruptSources(ruledOut.nodes) }
    guard let last = losses.last else { return .noSource(asked: losses.asked) }
    let furthest = leader.flatMap { downloads[$0] }
    return .lostSources(
      loaded: furthest?.fetching?.verifiedBytes ?? 0, total: furthest?.plan?.size ?? 0, last: last)
  }

  /// Bytes have arrived for an attempt: reports progress, if it is the attempt that is reported.
  func tellProgress(_ id: DownloadID, _ node: NodeID, _ out: inout TransferOutbox) {
    guard let download = downloads[id], let plan = download.plan, leader == id else { return }
    let loaded = download.loadedBytes
    for case .load(let load) in waiters {
      out.emit(.client(.progress(load, loaded: loaded, total: plan.size, node: node)))
    }
  }
}
