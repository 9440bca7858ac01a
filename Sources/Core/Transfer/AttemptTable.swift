import Primitives

/// The attempts at a file, and which of them each source serves.
struct AttemptTable: Sendable {
  private var downloads: [DownloadID: Download] = [:]
  private var downloadOfSource: [NodeID: DownloadID] = [:]
  /// Incremented whenever a source is added or removed.
  private(set) var version: UInt64 = 0

  // MARK: Attempts

  subscript(id: DownloadID) -> Download? { downloads[id] }

  /// The attempts, oldest first, so that every run visits them in the same order.
  var inOrder: [Download] { downloads.values.sorted { $0.id.number < $1.id.number } }

  /// The most bytes that have arrived in any attempt.
  var loadedBytes: UInt64 { downloads.values.lazy.map(\.loadedBytes).max() ?? 0 }

  /// The attempt with the most progress, which is reported to the clients.
  var leader: Download? {
    guard downloads.count > 1 else { return downloads.values.first }
    return downloads.values.max { one, other in
      (one.loadedBytes, other.id.number) < (other.loadedBytes, one.id.number)
    }
  }

  /// When the first attempt wants to be woken.
  var wakeAt: Instant? { downloads.values.compactMap(\.wakeAt).min() }

  /// The number of running attempts.
  var runningCount: Int { downloads.values.count { !$0.phase.isWaiting && $0.isActive } }

  /// Attempts that wait to start and have a source, oldest first.
  var waiting: [DownloadID] { inOrder.filter { $0.phase.isWaiting && $0.isActive }.map(\.id) }

  /// Whether an attempt other than this one can still succeed without another answer.
  func hasActive(besides id: DownloadID? = nil) -> Bool {
    downloads.values.contains { $0.id != id && $0.isActive }
  }

  /// Whether a piece is missing and unrequested, in an attempt that partial sources can help or that waits for them.
  func isMissingPieces(hasExhausted: Bool) -> Bool {
    downloads.values.contains { download in
      guard let fetching = download.fetching else { return false }
      return !fetching.missing.isEmpty && (fetching.plan.manifest != nil || hasExhausted)
    }
  }

  /// Whether all attempts are fetching, and no source is asked for anything.
  var isIdle: Bool { downloads.values.allSatisfy { $0.fetching?.fetches.isEmpty ?? false } }

  mutating func insert(_ download: Download) { downloads[download.id] = download }

  mutating func remove(_ id: DownloadID) -> Download? { downloads.removeValue(forKey: id) }

  /// Changes an attempt in place; does nothing, and returns nil, if it is gone.
  @discardableResult
  mutating func change<Value>(_ id: DownloadID, _ body: (inout Download) -> Value) -> Value? {
    // Removed meanwhile: a second reference would make every change copy it.
    guard var download = downloads.removeValue(forKey: id) else { return nil }
    defer { downloads[id] = download }
    return body(&download)
  }

  // MARK: Sources

  /// The nodes that have the file, in order.
  var nodes: [NodeID] { downloadOfSource.keys.sorted() }

  /// The sources, unordered.
  var states: [SourceState] { downloads.values.flatMap(\.states) }

  var hasSources: Bool { !downloadOfSource.isEmpty }

  /// Sources that are loading the file themselves and have nothing more for now.
  var exhaustedCount: Int { downloads.values.reduce(0) { $0 + $1.states.count(where: \.isExhausted) } }

  /// Whether a source is not asked for a while because it is busy.
  var hasRestingSource: Bool { downloads.values.contains { $0.states.contains(where: \.isResting) } }

  var hasWholeSource: Bool { downloads.values.contains { $0.states.contains { $0.source.file.isWhole } } }

  /// The attempt that the node serves.
  func id(of node: NodeID) -> DownloadID? { downloadOfSource[node] }

  func source(_ node: NodeID) -> SourceState? { downloadOfSource[node].flatMap { downloads[$0]?[node] } }

  mutating func add(_ source: SourceState, to id: DownloadID) {
    change(id) { $0.add(source) }
    downloadOfSource[source.node] = id
    version += 1
  }

  /// Removes a source from its attempt.
  mutating func take(_ node: NodeID, _ out: inout TransferOutbox) -> SourceState? {
    guard let id = downloadOfSource.removeValue(forKey: node) else { return nil }
    version += 1
    return change(id) { $0.remove(node, &out) } ?? nil
  }
}
