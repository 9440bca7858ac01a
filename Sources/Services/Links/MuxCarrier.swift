import EventLoop
import Mux
import Primitives

/// Streams by yamux over a channel that has proved the peer. Owns the channel. Bound to the loop.
///
/// Memory is bounded: what waits to be sent, by the high-water mark and each writer's one block; what has been received,
/// by the windows of the streams.
final class MuxCarrier: StreamCarrier {
  /// The most bytes that may wait for the pipe. Data stops at the high-water mark, so only answers to a peer that reads
  /// none of them can get this far: such a peer is flooding.
  static let maximumPending = 4 << 20
  /// On a path with a shorter round trip, what the kernel has accepted leaves soon.
  private static let longRoundTrip: Duration = .milliseconds(1)

  let peer: NodeID
  let channelBinding: [UInt8]
  let isDialer: Bool
  var onStream: ((any ByteStream) -> Void)?
  var onClose: ((KacheryError?) -> Void)?
  var onSent: (() -> Void)?
  var onMeasured: (() -> Void)?
  private(set) var lastHeard: Instant
  private(set) var isAnswerDue = false

  private let loop: EventLoop
  private let channel: TLSChannel
  private var mux: MuxSession
  private var streams: [StreamID: MuxStream] = [:]
  /// Streams with bytes to send.
  private var waiting = StreamTurns<StreamID>()
  /// When this number of bytes waits for the pipe, streams stop being writable.
  private var mark = HighWaterMark()
  /// Whether small messages are not to wait behind bulk data.
  private var isShared = true
  private var frame: [UInt8] = []
  private var pings = PingClock()
  private var received: TrafficMeter
  private var sent: TrafficMeter
  private var state = State.up
  private var isPumping = false

  private enum State {
    case up
    case closing
    case over
  }

  /// A carrier on a channel whose handshake is complete.
  init(loop: EventLoop, channel: TLSChannel, proof: PeerProof) {
    self.loop = loop
    self.channel = channel
    peer = proof.peer
    channelBinding = proof.channelBinding
    isDialer = channel.isDialer
    mux = MuxSession(role: isDialer ? .client : .server)
    lastHeard = loop.now
    (received, sent) = (TrafficMeter(at: lastHeard), TrafficMeter(at: lastHeard))
    channel.onData = { [weak self] in self?.receive($0) }
    channel.onDrain = { [weak self] in self?.drained() }
    channel.onEnd = { [weak self] in self?.end($0) }
  }

  var remoteEndpoint: Endpoint? { channel.remoteEndpoint }
  var passage: Passage { channel.passage }
  var pendingBytes: Int { channel.pendingBytes }
  var openStreams: Int { streams.count }
  var roundTripTime: Duration? { pings.roundTripTime }
  var shortestRoundTrip: Duration? { pings.shortest }
  var delivery: DeliveryState? { channel.delivery }
  var traffic: LinkTraffic {
    let now = loop.now
    return LinkTraffic(
      received: received.total, sent: sent.total, receivingRate: received.rate(at: now), sendingRate: sent.rate(at: now)
    )
  }
  var isCongested: Bool { channel.pendingBytes >= mark.bytes }
  /// Whether streams may write; a closing carrier sends only what was written before.
  var acceptsBytes: Bool { state == .up }

  // MARK: Receiving

  private func receive(_ plaintext: UnsafeRawBufferPointer) {
    lastHeard = loop.now
    received.add(plaintext.count, at: lastHeard)
    isAnswerDue = false
    var input = plaintext[...]
    do throws(MuxError) {
      while state != .over, let event = try mux.next(&input) { handle(event) }
      flush()
      finishIfSent()
    } catch {
      end(KacheryError(.protocolViolation, "Node \(peer.short) broke the stream protocol (\(error))."))
    }
  }

  private func handle(_ event: MuxEvent) {
    switch event {
    case .opened(let id):
      let stream = MuxStream(carrier: self, id: id)
      streams[id] = stream
      if let onStream { onStream(stream) } else { stream.reset() }
    case .data(let id, let bytes): streams[id]?.receive(bytes)
    case .finished(let id): streams[id]?.finishedByPeer()
    case .reset(let id): removeStream(id)?.end(.reset)
    case .writable(let id): if streams[id]?.hasQueue == true { pump(adding: id) }
    case .pong(let value):
      let isFirst = pings.roundTripTime == nil
      pings.answered(value, at: loop.now)
      guard isFirst, let roundTrip = pings.roundTripTime else { return }
      if isShared, roundTrip >= Self.longRoundTrip { channel.limitUnsentBytes() }
      onMeasured?()
    case .goAway: break
    }
  }

  func ping() {
    pings.sent(mux.ping(), at: loop.now)
    flush()
    releaseMemory()
  }

  /// Frees buffers that have grown in the handshake or in a burst: most links are idle most of the time, and a node may
  /// have thousands.
  private func releaseMemory() {
    frame = []
    mux.releaseMemory()
    channel.releaseMemory()
  }

  func preferThroughput() {
    isShared = false
    channel.preferThroughput()
  }

  // MARK: Sending

  func openStream(window: Int) -> (any ByteStream)? {
    guard state != .over, let id = mux.openStream(window: window) else { return nil }
    let stream = MuxStream(carrier: self, id: id)
    streams[id] = stream
    flush()
    return stream
  }

  /// Sends what streams have queued, a frame each in turn, as far as their windows and the pipe allow. Small messages go
  /// first.
  func pump(adding id: StreamID) {
    waiting.add(id, count: streams[id]?.queuedBytes ?? 0)
    pump()
  }

  private func pump() {
    guard !isPumping else { return }
    isPumping = true
    defer { isPumping = false }
    while state != .over, !isCongested, let id = waiting.next() {
      guard let stream = streams[id] else { continue }
      let room = min(mux.sendable(on: id), MuxSession.maximumFrame)
      let sent = room > 0 ? stream.sendQueued(upTo: room) : 0
      // A stream without a window gets its next turn when the window opens.
      if stream.hasQueue, sent > 0 { waiting.addAgain(id) }
    }
    if isCongested { mark.full(channel.pendingBytes, at: loop.now) }
  }

  /// Sends one frame. A stream calls this with no more bytes than its window holds.
  func send(_ bytes: UnsafeRawBufferPointer, on id: StreamID) {
    guard state != .over else { return }
    mux.dataHeader(on: id, count: bytes.count)
    encryptOutput()
    channel.write(bytes)
    sent.add(bytes.count, at: loop.now)
    channel.flush()
    guard !isAnswerDue else { return }
    isAnswerDue = true
    onSent?()
  }

  private func flush() {
    guard state != .over else { return }
    let admitted = mux.takeAdmitted().filter { streams[$0]?.hasQueue == true && !waiting.contains($0) }
    encryptOutput()
    channel.flush()
    if !admitted.isEmpty {
      for id in admitted { waiting.add(id, count: streams[id]?.queuedBytes ?? 0) }
      pump()
    }
    guard channel.pendingBytes > Self.maximumPending else { return }
    end(KacheryError(.protocolViolation, "Node \(peer.short) asks for answers and reads none."))
  }

  private func encryptOutput() {
    mux.takeOutput(into: &frame)
    guard !frame.isEmpty else { return }
    frame.withUnsafeBytes { channel.write($0) }
    sent.add(frame.count, at: loop.now)
    frame.removeAll(keepingCapacity: true)
  }

  private func drained() {
    mark.drained(at: loop.now)
    pump()
    finishIfSent()
    guard !isCongested else { return }
    for stream in streams.values { stream.tellWritable() }
  }

  func finish(_ id: StreamID) {
    mux.finish(id)
    flush()
  }

  func reset(_ id: StreamID) {
    guard removeStream(id) != nil else { return }
    mux.reset(id)
    flush()
  }

  func consumed(_ count: Int, on id: StreamID) {
    mux.consumed(count, on: id)
    flush()
  }

  @discardableResult
  func removeStream(_ id: StreamID) -> MuxStream? { streams.removeValue(forKey: id) }

  // MARK: The end

  func close() {
    guard state == .up else { return }
    mux.goAway()
    flush()
    guard state == .up else { return }
    state = .closing
    finishIfSent()
  }

  private func finishIfSent() {
    guard state == .closing, !streams.values.contains(where: \.hasQueue) else { return }
    channel.finish()
    if channel.pendingBytes == 0 { end(nil) }
  }

  func end(_ error: KacheryError?) {
    guard state != .over else { return }
    state = .over
    channel.close()
    let ended = streams.values
    streams = [:]
    waiting = StreamTurns<StreamID>()
    for stream in ended { stream.end(.linkClosed) }
    let tell = onClose
    onClose = nil
    onStream = nil
    onSent = nil
    onMeasured = nil
    tell?(error)
  }
}
