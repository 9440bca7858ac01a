import APIModel
import EventLoop
import Primitives
import Transfer

/// A client's request for many files, some of them on their way at any time. Bound to the loop.
final class BatchLoad {
  /// Files on their way at once: enough to hide round trips and the disk's waits.
  static let maximumUnderway = 64
  private static let progressPeriod: Duration = .milliseconds(200)

  let request: BatchLoadRequest
  /// The loads of the engine that run for this request, with the bytes that each has.
  var underway: [LoadID: UInt64] = [:]
  private(set) var isClosed = false
  private let continuation: AsyncThrowingStream<BatchLoadEvent, any Error>.Continuation
  private let loop: EventLoop
  /// Indices of files that are not here, the next one last.
  private var waiting: [Int]
  /// Files that are being looked for in the store.
  private var beginning = 0
  private var progress = BatchLoadEvent.Progress()
  private var bytesEnded: UInt64 = 0
  private var failed = 0
  private var toldAt: Instant

  init(
    _ request: BatchLoadRequest, loop: EventLoop,
    continuation: AsyncThrowingStream<BatchLoadEvent, any Error>.Continuation
  ) {
    self.request = request
    self.loop = loop
    self.continuation = continuation
    waiting = Array(request.keys.indices.reversed())
    progress.filesTotal = request.keys.count
    toldAt = loop.now
  }

  /// The next files to look for in the store, as many as there is room for; `begun` once they have been.
  func take() -> [Int] {
    guard !isClosed else { return [] }
    let taken = waiting.suffix(max(0, Self.maximumUnderway - underway.count - beginning))
    waiting.removeLast(taken.count)
    beginning += taken.count
    return taken.reversed()
  }

  /// A file that was taken has been looked for.
  func begun() { beginning -= 1 }

  /// A file has ended.
  func ended(_ index: Int, bytes: UInt64 = 0, _ outcome: Result<String, KacheryError>) {
    guard !isClosed else { return }
    progress.filesEnded += 1
    bytesEnded += bytes
    switch outcome {
    case .success(let path): continuation.yield(.loaded(index: index, path: path))
    case .failure(let error):
      failed += 1
      continuation.yield(.failed(index: index, error))
    }
    guard progress.filesEnded == progress.filesTotal else { return tellProgress() }
    finish()
  }

  /// Says how far it is, unless that was said just now.
  func tellProgress() {
    guard !isClosed, loop.now - toldAt >= Self.progressPeriod else { return }
    toldAt = loop.now
    continuation.yield(.progress(now))
  }

  private var now: BatchLoadEvent.Progress {
    var now = progress
    now.bytesLoaded = bytesEnded + underway.values.reduce(0, +)
    return now
  }

  /// Every file has ended.
  func finish() {
    guard !isClosed else { return }
    isClosed = true
    continuation.yield(.progress(now))
    continuation.yield(.finished(loaded: progress.filesEnded - failed, failed: failed))
    continuation.finish()
  }

  /// The node stops.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    continuation.finish(throwing: KacheryError(.cancelled, "The node is stopping."))
  }

  /// The client has gone.
  func abandon() { isClosed = true }
}
