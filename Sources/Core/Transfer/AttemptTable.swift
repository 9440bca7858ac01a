import Primitives

/// The attempts at a file, and which of them each source gives to.
struct AttemptTable: Sendable {
  private var downloads: [DownloadID: Download] = [:]
  private var downloadOfSource: [NodeID: DownloadID] = [:]
  /// Grows whenever a source comes or goes.
  private(set) var version: UInt64 = 0

  // MARK: Attempts

  subscript(id: DownloadID) -> Download? { downloads[id] }

  /// The attempts, the oldest first: whatever goes through them does so in the same order in every run.
  var inOrder: [Download] { downloads.values.sorted { $0.id.number < $1.id.number } }

  /// The most bytes that are here of any attempt.
  var loadedBytes: UInt64 { downloads.values.lazy.map(\.loadedBytes).max() ?? 0 }

  /// The attempt that has come furthest, which is shown to those who wait.
  var leader: Download? {
    guard downloads.count > 1 else { return downloads.values.first }
    return downloads.values.max { one, other in
      (one.loadedBytes, other.id.number) < (other.loadedBytes, one.id.number)
    }
  }

  /// When the first attempt wants to be woken.
  var wakeAt: Instant? { downloads.values.compactMap(\.wakeAt).min() }

  /// Attempts that run.
  var runningCount: Int { downloads.values.count { !$0.phase.isWaiting && $0.isActive } }

  /// Attempts that wait to be started and have a source, the oldest first.
  var waiting: [DownloadID] { inOrder.filter { $0.phase.isWaiting && $0.isActive }.map(\.id) }

  /// Whether something can still come of an attempt, other than this one, without another answer.
  func hasActive(besides id: DownloadID? = nil) -> Bool {
    downloads.values.contains { $0.id != id && $0.isActive }
  }

  /// Whether a piece is missing that nobody is asked for, in an attempt that partial sources can help or that waits for them.
  func isMissingPieces(hasExhausted: Bool) -> Bool {
    downloads.values.contains { download in
      guard let fetching = download.fetching else { return false }
      return !fetching.missing.isEmpty && (fetching.plan.manifest != nil || hasExhausted)
    }
  }

  /// Whether all attempts fetch, and no source is asked for anything.
  var isIdle: Bool { downloads.values.allSatisfy { $0.fetching?.fetches.isEmpty ?? false } }

  mutating func insert(_ download: Download) { downloads[download.id] = download }

  mutating func remove(_ id: DownloadID) -> Download? { downloads.removeValue(forKey: id) }

  /// Changes an attempt in place; does nothing, and returns nil, if it is gone.
  @discardableResult
  mutating func change<Value>(_ id: DownloadID, _ body: (inout Download) -> Value) -> Value? {
    // Taken out meanwhile: a second reference would make every change copy it.
    guard var download = downloads.removeValue(forKey: id) else { return nil }
    defer { downloads[id] = download }
    return body(&download)
  }

  // MARK: Sources

  /// The nodes that have the file, in order.
  var nodes: [NodeID] { downloadOfSource.keys.sorted() }

  /// The sources, in no order.
  var states: [SourceState] { downloads.values.flatMap(\.states) }

  var hasSources: Bool { !downloadOfSource.isEmpty }

  /// Sources that are loading the file themselves and have nothing more for now.
  var exhaustedCount: Int { downloads.values.reduce(0) { $0 + $1.states.count(where: \.isExhausted) } }

  /// Whether a source is not asked for a while because it is busy.
  var hasRestingSource: Bool { downloads.values.contains { $0.states.contains(where: \.isResting) } }

  var hasWholeSource: Bool { downloads.values.contains { $0.states.contains { $0.source.file.isWhole } } }

  /// The attempt that the node gives to.
  func id(of node: NodeID) -> DownloadID? { downloadOfSource[node] }

  func source(_ node: NodeID) -> SourceState? { downloadOfSource[node].flatMap { downloads[$0]?[node] } }

  mutating func add(_ source: SourceState, to id: DownloadID) {
    change(id) { $0.add(source) }
    downloadOfSource[source.node] = id
    version += 1
  }

  /// Takes a source off its attempt.
  mutating func take(_ node: NodeID, _ out: inout TransferOutbox) -> SourceState? {
    guard let id = downloadOfSource.removeValue(forKey: node) else { return nil }
    version += 1
    return change(id) { $0.remove(node, &out) } ?? nil
  }
}
