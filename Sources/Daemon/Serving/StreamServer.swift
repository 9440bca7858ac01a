import Discovery
import EventLoop
import Links
import NodeCore
import Primitives
import Wire

/// Serves one stream of a peer: requests in, answers out, in order, as fast as the peer takes them. Bound to the loop.
///
/// It reads one block or group ahead of what the peer has taken. Everything is synchronous: reads that need the pool
/// report back by callbacks on the loop, so a failure ends the stream and cannot leave the loop.
final class StreamServer<Answers: StreamAnswers>: ServedStream {
  let link: LinkID
  let account: LinkID
  let origin: PeerOrigin
  let lane: LaneID
  private let stream: any ByteStream
  private let loop: EventLoop
  private let scheduler: UploadScheduler
  private let memory: UploadMemory
  private var answers: Answers
  private var decoder = FrameDecoder(limit: Answers.frameLimit)
  /// The turn in which the next read runs, or will run.
  private var turn: UploadScheduler.Turn?
  private var isReading = false
  /// What was read and is not sent.
  private var ready: Answers.Output?
  private var isAdvancing = false
  private var state = State.asking
  private var stall = StallClock()
  /// The latest file that was read, and when.
  private var sent: (file: SentFile, readAt: Instant)?
  private var onEvent: ((ServedStreamEvent) -> Void)?

  private enum State {
    /// The peer may ask for more.
    case asking
    /// The peer asks for nothing more and waits for the rest.
    case finishing
    case ended
  }

  init(
    link: LinkID, account: LinkID? = nil, origin: PeerOrigin = .unknown, lane: LaneID = .link,
    stream: any ByteStream, answers: Answers, loop: EventLoop,
    scheduler: UploadScheduler, memory: UploadMemory
  ) {
    self.link = link
    self.account = account ?? link
    self.origin = origin
    self.lane = lane
    self.stream = stream
    self.answers = answers
    self.loop = loop
    self.scheduler = scheduler
    self.memory = memory
  }

  /// Starts to serve; `first` holds the bytes that arrived with the stream's kind.
  func start(with first: [UInt8], onEvent: @escaping (ServedStreamEvent) -> Void) {
    loop.preconditionOnLoop()
    self.onEvent = onEvent
    stream.onData = { [stream] bytes in
      stream.consumed(bytes.count)
      self.receive(Array(bytes))
    }
    stream.onEnd = { end in
      guard end == .finished else { return self.end(nil) }
      if self.state == .asking { self.state = .finishing }
      self.advance()
    }
    stream.onWritable = { self.advance() }
    stream.onSent = { if self.stream.queuedBytes == 0 { self.advance() } }
    receive(first)
  }

  private func receive(_ bytes: [UInt8]) {
    decoder.append(bytes)
    do throws(WireError) {
      while state == .asking, let frame = try decoder.next() {
        try answers.add(frame)
        guard answers.waitingCount <= Answers.maximumWaiting else { return end(nil) }
      }
    } catch {
      return end(nil)
    }
    advance()
  }

  var heldBytes: Int { stream.queuedBytes + (ready?.bytesRead ?? 0) }

  var sending: SentFile? {
    // Between two requests of one file, nothing is read for a moment.
    sent.flatMap { heldBytes > 0 || isReading || loop.now - $0.readAt < .seconds(2) ? $0.file : nil }
  }

  func close() { end(nil) }

  func endIfStalled(at now: Instant) {
    guard state != .ended, stall.isStalled(queued: stream.queuedBytes, at: now) else { return }
    end(nil)
  }

  /// Gives the stream up. Notifies the peer of the reason if it cannot know it.
  private func end(_ notice: AbortNotice?) {
    guard state != .ended else { return }
    // The notice goes out first, so that the peer has the reason when the stream ends.
    if let notice { onEvent?(.aborts(notice)) }
    stream.reset()
    gone()
    if turn?.withdraw() == true { isReading = false }
    turn = nil
  }

  private func gone() {
    state = .ended
    ready = nil
    stream.onData = nil
    stream.onEnd = nil
    stream.onWritable = nil
    stream.onSent = nil
    let tell = onEvent
    onEvent = nil
    tell?(.ended)
  }

  // MARK: Answering

  private func advance() {
    // A read that memory serves ends before it has begun: the loop below takes it up, not a call within the call.
    guard !isAdvancing else { return }
    isAdvancing = true
    while state != .ended, hasRoom, step() {}
    isAdvancing = false
  }

  /// Whether more may be read for the stream.
  private var hasRoom: Bool { stream.isWritable && (stream.queuedBytes == 0 || !memory.isCrowded) }

  /// Does the next thing; returns false if there is nothing to do until something happens.
  private func step() -> Bool {
    if let output = ready.take() {
      send(answers.finish(output))
      return true
    }
    if isReading { return false }
    if readNext() { return true }
    if state == .finishing {
      stream.finish()
      gone()
    }
    return false
  }

  private func send(_ answer: StreamAnswer) {
    switch answer {
    case .abort(let notice): end(notice)
    case .bytes(let pieces):
      // The next block is read while this one is encrypted and sent.
      if !memory.isCrowded { _ = readNext() }
      for piece in pieces { stream.write(piece) }
    }
  }

  /// Starts the next step; returns false if every request has been answered.
  private func readNext() -> Bool {
    switch answers.next() {
    case nil: return false
    case .ready(let output): ready = output
    case .read(let read):
      isReading = true
      note(read.hash)
      if let prefetch = read.prefetch { loop.work(prefetch) {} }
      let entered = scheduler.enter(account, for: read.hash, cost: read.cost) { turn in
        // To hand what memory holds to the pool and back would cost more than to copy it.
        if let output = read.immediately?() { return self.readEnded(output, turn) }
        self.loop.work(read.work) { self.readEnded($0, turn) }
      }
      if isReading { turn = entered }
    }
    return true
  }

  private func note(_ hash: ContentHash) {
    let hash = Answers.isForManyFiles ? nil : hash
    if let sent, sent.file.hash == hash { return }
    sent = (SentFile(hash: hash), loop.now)
  }

  private func readEnded(_ output: Answers.Output, _ ended: UploadScheduler.Turn) {
    isReading = false
    turn = nil
    if state != .ended { ready = output }
    sent?.file.bytes += UInt64(output.bytesRead)
    sent?.readAt = loop.now
    ended.end(spent: output.bytesRead)
    advance()
  }
}
