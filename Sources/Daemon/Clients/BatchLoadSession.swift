import APIModel
import EventLoop
import Primitives
import Transfer

/// A client's request for many files. Small ones arrive together; the engine loads large ones, several at a time. Bound
/// to the loop.
final class BatchLoadSession {
  /// Files that the engine loads concurrently: enough to hide the latency of network and disk.
  private static let maximumUnderway = 64
  private static let progressPeriod: Duration = .milliseconds(200)
  typealias Continuation = AsyncThrowingStream<[BatchLoadEvent], any Error>.Continuation

  private static let waitPeriod: Duration = .seconds(1)

  let request: BatchLoadRequest
  /// The engine's loads for this request, with the bytes loaded by each.
  var underway: [LoadID: UInt64] = [:]
  /// The download of the small files.
  var download: BatchDownload?
  private(set) var isClosed = false
  private let continuation: Continuation
  private let loop: EventLoop
  /// Indices of files that the engine has not started.
  private var waiting = Queue<Int>()
  private var progress = BatchLoadEvent.Progress()
  private var bytesEnded: UInt64 = 0
  private var failed = 0
  /// The names of the files that have loaded.
  private(set) var loadedNames: [(hash: ContentHash, name: String)] = []
  private var toldAt: Instant
  private var toldWaitAt: Instant?
  /// The events of this loop turn, sent together: one message per small file would cost more than the file.
  private var events: [BatchLoadEvent] = []

  init(
    _ request: BatchLoadRequest, loop: EventLoop,
    continuation: Continuation
  ) {
    self.request = request
    self.loop = loop
    self.continuation = continuation
    progress.filesTotal = request.keys.count
    toldAt = loop.now
  }

  /// Queues a file for the engine.
  func needsEngine(_ index: Int) { waiting.append(index) }

  /// The next file for the engine; nil if there is none, or no room.
  func takeForEngine() -> Int? {
    guard !isClosed, underway.count < Self.maximumUnderway else { return nil }
    return waiting.popFirst()
  }

  /// Reports that a file has loaded or failed.
  func ended(_ index: Int, bytes: UInt64 = 0, _ outcome: Result<String, KacheryError>) {
    guard !isClosed else { return }
    progress.filesEnded += 1
    bytesEnded += bytes
    switch outcome {
    case .success(let path):
      report(.loaded(index: index, path: path))
      if request.names.indices.contains(index), let name = request.names[index] {
        loadedNames.append((request.keys[index].hash, name))
      }
    case .failure(let error):
      failed += 1
      report(.failed(index: index, error))
    }
    guard progress.filesEnded == progress.filesTotal else { return reportProgress() }
    finish()
  }

  /// Reports that files wait for a busy node, unless it did so just now.
  func reportWait(_ busy: BusyNode) {
    guard !isClosed, toldWaitAt.map({ loop.now - $0 >= Self.waitPeriod }) ?? true else { return }
    toldWaitAt = loop.now
    report(.waiting(busy))
  }

  /// Reports progress, unless it did so just now.
  func reportProgress() {
    guard !isClosed, loop.now - toldAt >= Self.progressPeriod else { return }
    toldAt = loop.now
    report(.progress(now))
  }

  private func report(_ event: BatchLoadEvent) {
    events.append(event)
    guard events.count == 1 else { return }
    _ = loop.after(.zero) { self.flush() }
  }

  private func flush() {
    guard !events.isEmpty else { return }
    continuation.yield(events)
    events = []
  }

  private var now: BatchLoadEvent.Progress {
    var now = progress
    now.bytesLoaded = bytesEnded + underway.values.reduce(0, +)
    return now
  }

  /// How far it is, without the nodes.
  func state(number: UInt64) -> TransferState {
    var state = TransferState(.batch, number: String(number))
    (state.bytes, state.files) = (now.bytesLoaded, (progress.filesEnded, progress.filesTotal))
    return state
  }

  /// Finishes: every file has loaded or failed.
  func finish() {
    guard !isClosed else { return }
    isClosed = true
    report(.progress(now))
    report(.finished(loaded: progress.filesEnded - failed, failed: failed))
    flush()
    continuation.finish()
    download?.close()
  }

  /// Ends the session because the node is stopping.
  func close() {
    guard !isClosed else { return }
    flush()
    continuation.finish(throwing: KacheryError(.cancelled, "The node is stopping."))
    abandon()
  }

  /// Ends the session because the client has gone.
  func abandon() {
    isClosed = true
    download?.close()
  }
}
