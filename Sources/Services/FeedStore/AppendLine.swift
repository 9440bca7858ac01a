import Crypto
import Primitives
import Synchronization

/// Appends to each subfeed in the order of the requests, each request's messages all or none.
///
/// Many messages are signed in pieces: in between, the writer's thread does what others have asked for.
final class AppendLine: Sendable {
  /// Messages that are signed at a time: in about ten milliseconds.
  static let piece = 250

  /// Messages to be appended together.
  struct Request: Sendable {
    let messages: [JSONObject]
    let key: SubfeedKey
    let metaData: JSONObject?
    let time: WallTime
    let then: @Sendable (Result<[SignedMessage], KacheryError>) -> Void

    var isLong: Bool { messages.count > piece }
  }

  /// How far a request's messages are signed.
  private struct Progress: Sendable {
    let begin: FeedLedger.Tail
    var tail: FeedLedger.Tail
    var pieces: [[SignedMessage]] = []
    var count: Int { Int(tail.count - begin.count) }
  }

  private let writer: FeedWriter
  /// Requests that wait because earlier messages of the same subfeed are still being signed in pieces.
  private let waiting = Mutex<[SubfeedKey: [Request]]>([:])

  init(_ writer: FeedWriter) { self.writer = writer }

  func add(_ request: Request) {
    let isNext = waiting.withLock { waiting in
      guard waiting[request.key] == nil else {
        waiting[request.key]?.append(request)
        return false
      }
      if request.isLong { waiting[request.key] = [] }
      return true
    }
    if isNext { begin(request) }
  }

  private func begin(_ request: Request) {
    guard request.isLong else {
      return writer.write(
        { (ledger) throws(KacheryError) in
          try ledger.append(request.messages, to: request.key, metaData: request.metaData, at: request.time)
        }, then: request.then)
    }
    writer.write { (ledger) throws(KacheryError) in
      let tail = try ledger.beginAppending(to: request.key)
      return Progress(begin: tail, tail: tail)
    } then: { [self] begun in
      `continue`(request, begun)
    }
  }

  private func `continue`(_ request: Request, _ progress: Result<Progress, KacheryError>) {
    let done: Progress
    do throws(KacheryError) { done = try progress.get() } catch { return end(request, .failure(error)) }
    guard done.count < request.messages.count else { return write(request, done) }
    let piece = request.messages.dropFirst(done.count).prefix(Self.piece)
    writer.write { (ledger) throws(KacheryError) in
      var next = done
      next.pieces.append(
        try ledger.sign(piece, for: request.key, after: &next.tail, metaData: request.metaData, at: request.time))
      return next
    } then: { [self] signed in
      `continue`(request, signed)
    }
  }

  private func write(_ request: Request, _ done: Progress) {
    writer.write { (ledger) throws(KacheryError) in
      let signed = Array(done.pieces.joined())
      try ledger.write(signed, to: request.key, from: done.begin, to: done.tail)
      return signed
    } then: { [self] written in
      end(request, written)
    }
  }

  private func end(_ request: Request, _ outcome: Result<[SignedMessage], KacheryError>) {
    request.then(outcome)
    while let next = nextWaiting(request.key) {
      begin(next)
      if next.isLong { return }
    }
  }

  private func nextWaiting(_ key: SubfeedKey) -> Request? {
    waiting.withLock { waiting in
      guard let next = waiting[key]?.first else {
        waiting[key] = nil
        return nil
      }
      waiting[key]?.removeFirst()
      return next
    }
  }
}
