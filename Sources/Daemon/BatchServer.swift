import ContentStore
import EventLoop
import Links
import NodeCore
import Primitives
import Wire

/// Answers one peer's batch stream: the files that it asks for, in order, a group of them read by the pool at a time.
/// Bound to the loop.
final class BatchServer {
  /// Files that may wait on one stream.
  private static let maximumWaiting = 8 * BatchRequest.maximumFiles
  private static let frameLimit = 32 << 10
  /// Files read in one go, unless their bytes are too many before.
  private static let groupFiles = 64
  private static let groupBytes = Limits.blockSize

  /// The link that carries the stream.
  let link: LinkID
  /// Why the peer is not served over this topic; nil where it is.
  private let barrier: (Topic) -> Refusal?
  private let store: ContentStore
  private let loop: EventLoop
  private let stream: LinkStream
  private let metrics: NodeMetrics
  private let gate: UploadGate
  private var decoder = FrameDecoder(limit: BatchServer.frameLimit)
  private var waiting = Queue<(topic: Topic, hash: ContentHash)>()
  private var isReading = false
  private var hasEnded = false
  private var hasFinishedAsking = false
  private var gone: (() -> Void)?
  /// The turn in which the next group is, or will be, read.
  private var turn: UploadGate.Turn?

  init(
    link: LinkID, stream: LinkStream, store: ContentStore, loop: EventLoop, metrics: NodeMetrics,
    gate: UploadGate, barrier: @escaping (Topic) -> Refusal?
  ) {
    self.link = link
    self.stream = stream
    self.store = store
    self.loop = loop
    self.metrics = metrics
    self.gate = gate
    self.barrier = barrier
  }

  /// Begins to answer; `gone` tells the node that the stream has ended.
  func start(with first: [UInt8], gone: @escaping () -> Void) {
    self.gone = gone
    stream.onData = { bytes in
      self.stream.consumed(bytes.count)
      self.receive(Array(bytes))
    }
    stream.onEnd = { end in
      self.hasFinishedAsking = true
      if end != .finished { self.end() } else { self.advance() }
    }
    stream.onWritable = { self.advance() }
    receive(first)
  }

  private func receive(_ bytes: [UInt8]) {
    decoder.append(bytes)
    do throws(WireError) {
      while let frame = try decoder.next() {
        let request = try BatchRequest.decode(frame)
        waiting.append(contentsOf: request.hashes.map { (request.topic, $0) })
      }
    } catch {
      return end()
    }
    guard waiting.count <= Self.maximumWaiting else { return end() }
    advance()
  }

  private func end() {
    guard !hasEnded else { return }
    hasEnded = true
    waiting.removeAll()
    stream.reset()
    if turn?.withdraw() == true { turn = nil }
    gone?()
    gone = nil
  }

  /// Has the next group read where the peer takes what was read before.
  private func advance() {
    guard !hasEnded, !isReading, stream.isWritable else { return }
    guard let first = waiting.first else {
      if hasFinishedAsking {
        hasEnded = true
        stream.finish()
        gone?()
        gone = nil
      }
      return
    }
    isReading = true
    turn = gate.enter(link, for: first.hash, cost: Self.groupBytes) { turn in
      let group = self.nextGroup()
      self.loop.work({ [store = self.store] in Self.read(group, from: store) }) { answer in
        turn.end(spent: answer.bytes.count)
        self.send(answer)
      }
    }
  }

  private func nextGroup() -> [Question] {
    // Membership may be withdrawn at any time, so each group asks again; but not for each file, most of which are asked for over
    // one topic.
    var last: (topic: Topic, refusal: Refusal?)?
    return waiting.prefix(Self.groupFiles).map { asked in
      if last?.topic != asked.topic { last = (asked.topic, barrier(asked.topic)) }
      return Question(hash: asked.hash, refusal: last?.refusal)
    }
  }

  private func send(_ answer: Answer) {
    isReading = false
    turn = nil
    guard !hasEnded else { return }
    waiting.removeFirst(answer.files)
    metrics.requestsServed.add(answer.given)
    metrics.requestsRefused.add(answer.files - answer.given)
    metrics.bytesSent.add(answer.fileBytes)
    stream.write(answer.bytes)
    advance()
  }

  private struct Question: Sendable {
    let hash: ContentHash
    /// Why nobody looks whether the file is here.
    let refusal: Refusal?
  }

  private struct Answer: Sendable {
    var bytes: [UInt8] = []
    /// Those of them that are files', not replies.
    var fileBytes = 0
    /// Files that are answered for, and those of them that are given.
    var files = 0
    var given = 0
  }

  /// Reads files until there are enough bytes, each behind its reply.
  private static func read(_ questions: [Question], from store: ContentStore) -> Answer {
    var answer = Answer()
    answer.bytes.reserveCapacity(groupBytes)
    for question in questions where answer.bytes.count < groupBytes {
      answer.files += 1
      if let refusal = question.refusal {
        answer.bytes += FetchReply(refusal).encoded
        continue
      }
      switch store.readSmall(question.hash, limit: BatchRequest.maximumSize) {
      case .bytes(let bytes):
        answer.given += 1
        answer.fileBytes += bytes.count
        answer.bytes += FetchReply(count: UInt64(bytes.count)).encoded
        answer.bytes += bytes
      case .absent: answer.bytes += FetchReply(Refusal(absence: question.hash, in: store)).encoded
      case .tooLarge: answer.bytes += FetchReply(.tooLarge).encoded
      case .unreadable: answer.bytes += FetchReply(.unreadable).encoded
      }
    }
    return answer
  }
}
