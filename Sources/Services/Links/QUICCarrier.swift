import EventLoop
import Primitives
import QUIC

/// Streams by QUIC, which also proves the peer. Owns the path. Bound to the loop.
///
/// Memory is bounded: what waits to be sent, by `congestedBytes` and each writer's one block; what waits to be
/// acknowledged, by the congestion window; what has been received, by the windows of the streams.
final class QUICCarrier: StreamCarrier {
  /// When this number of bytes waits for the path, streams stop being writable. Small messages do not wait behind them.
  static let congestedBytes = 1 << 20
  /// Answers to pings that wait at a time; a peer that sends more pings is flooding, and gets no answer to them.
  private static let maximumAnswers = 16
  /// Pings whose answers are expected at a time.
  private static let maximumPings = 16

  let peer: NodeID
  let channelBinding: [UInt8]
  var onStream: ((any ByteStream) -> Void)?
  var onClose: ((KacheryError?) -> Void)?
  var onSent: (() -> Void)?
  var onMeasured: (() -> Void)?
  private(set) var lastHeard: Instant
  private(set) var isAnswerDue = false

  private let loop: EventLoop
  private let path: QUICPath
  /// All streams of the connection, also those that only wait for acknowledgments.
  private var streams: [Int64: QUICStream] = [:]
  /// Streams that the peer does not admit yet.
  private var unopened = Queue<QUICStream>()
  /// Streams with something to send that are not blocked.
  private var waiting = StreamTurns<Int64>()
  /// Streams of which something was sent in this turn.
  private var progressed: [QUICStream] = []
  private var datagrams: [[UInt8]] = []
  private var sentPings: [(value: UInt32, at: Instant)] = []
  private var lastPing: UInt32 = 0
  private var counters: Counters
  private var state = State.up

  private enum State { case up, closing, over }

  private struct Counters {
    var pings = PingClock()
    var received: TrafficMeter
    var sent: TrafficMeter
    var acknowledged: UInt64 = 0
    /// Bytes of streams that wait for the path.
    var waiting = 0
    var openStreams = 0
    var wasCongested = false
    var hasSent = false
  }

  private enum DatagramKind: UInt8 {
    case ping = 1
    case pong = 2
  }

  /// A carrier on a path whose handshake is complete.
  init(loop: EventLoop, path: QUICPath, proof: PeerProof) {
    self.loop = loop
    self.path = path
    (peer, channelBinding) = (proof.peer, proof.channelBinding)
    lastHeard = loop.now
    counters = Counters(received: TrafficMeter(at: lastHeard), sent: TrafficMeter(at: lastHeard))
    path.connection.user = self
    // Not weak: the path has them until it ends.
    path.onFlushed = { self.flushed() }
    path.onEnd = { self.pathEnded($0) }
  }

  var isDialer: Bool { path.connection.isClient }
  var remoteEndpoint: Endpoint? { path.remoteEndpoint }
  var passage: Passage { .datagrams }
  var pendingBytes: Int { counters.waiting }
  var openStreams: Int { counters.openStreams }
  var roundTripTime: Duration? { counters.pings.roundTripTime }
  var shortestRoundTrip: Duration? { counters.pings.shortest }
  var delivery: DeliveryState? {
    let sent = counters.sent.total
    return DeliveryState(
      acknowledged: counters.acknowledged, unacknowledged: Int(clamping: sent &- min(sent, counters.acknowledged)))
  }
  var traffic: LinkTraffic {
    let now = loop.now
    return LinkTraffic(
      received: counters.received.total, sent: counters.sent.total, receivingRate: counters.received.rate(at: now),
      sendingRate: counters.sent.rate(at: now))
  }
  var isCongested: Bool {
    let isCongested = counters.waiting >= Self.congestedBytes
    if isCongested { counters.wasCongested = true }
    return isCongested
  }
  /// Whether streams may write; a closing carrier sends only what was written before.
  var acceptsBytes: Bool { state == .up }

  // MARK: Streams

  func openStream(window: Int) -> (any ByteStream)? {
    guard state != .over else { return nil }
    let stream = QUICStream(carrier: self, window: window)
    counters.openStreams += 1
    unopened.append(stream)
    admitStreams()
    return stream
  }

  private func admitStreams() {
    while state != .over, let stream = unopened.first, let id = path.connection.openStream() {
      unopened.removeFirst(1)
      streams[id] = stream
      stream.opened(as: id)
      counters.waiting += stream.queuedBytes
      schedule(stream)
    }
  }

  /// A stream has this number of bytes more to send, or its end.
  func queued(_ count: Int, on stream: QUICStream) {
    guard stream.id != nil else { return }
    if !stream.isBlocked { counters.waiting += count }
    schedule(stream)
  }

  private func schedule(_ stream: QUICStream) {
    guard state != .over, let id = stream.id, !stream.isBlocked || stream.queuedBytes == 0 else { return }
    waiting.add(id, count: stream.queuedBytes)
    path.flushSoon()
  }

  /// What a stream has queued is not sent anymore.
  private func drop(_ stream: QUICStream) {
    if !stream.isBlocked { counters.waiting -= stream.queuedBytes }
    stream.giveUp()
  }

  func extendWindow(of id: Int64, by count: Int) {
    guard state != .over else { return }
    path.connection.extendWindow(of: id, by: count)
    path.flushSoon()
  }

  func reset(_ stream: QUICStream) {
    guard state != .over else { return }
    guard let id = stream.id else {
      return unopened.removeAll { $0 === stream }
    }
    drop(stream)
    path.connection.resetStream(id)
    path.flushSoon()
  }

  /// A stream is of no more use to its owner. It stays until its bytes are acknowledged.
  func forgot(_ stream: QUICStream) { counters.openStreams -= 1 }

  // MARK: Pings

  func ping() {
    guard state != .over else { return }
    lastPing &+= 1
    sentPings = sentPings.suffix(Self.maximumPings - 1) + [(lastPing, loop.now)]
    send(.ping, lastPing)
  }

  private func send(_ kind: DatagramKind, _ value: UInt32) {
    var writer = ByteWriter()
    writer.integer(kind.rawValue)
    writer.integer(value)
    datagrams.append(writer.bytes)
    path.flushSoon()
  }

  func preferThroughput() {}

  // MARK: The end

  func close() {
    guard state == .up else { return }
    state = .closing
    finishIfDelivered()
  }

  private func finishIfDelivered() {
    guard state == .closing, unopened.isEmpty, streams.values.allSatisfy(\.isDelivered) else { return }
    finish(nil, code: .inOrder)
  }

  func end(_ error: KacheryError?) { finish(error, code: .cut) }

  private func pathEnded(_ end: QUICPath.End) {
    path.deliverGathered()
    switch end {
    case .closedByPeer(QUICPath.Code.inOrder.rawValue?, _): finish(nil, code: nil)
    case .closedByPeer(.some, _):
      finish(KacheryError(.disconnected, "Node \(peer.short) cut the connection."), code: nil)
    case .closedByPeer(nil, let reason):
      finish(KacheryError(.disconnected, "Node \(peer.short) ended the connection: \(reason)."), code: nil)
    case .failed(let reason):
      finish(KacheryError(.protocolViolation, "Node \(peer.short) broke the protocol of QUIC: \(reason)."), code: nil)
    case .lost: finish(KacheryError(.disconnected, "The connection to node \(peer.short) is gone."), code: nil)
    case .timedOut: finish(KacheryError(.timedOut, "Node \(peer.short) does not answer."), code: nil)
    }
  }

  /// - Parameter code: what to tell the peer; nil if the path is over.
  private func finish(_ error: KacheryError?, code: QUICPath.Code?) {
    guard state != .over else { return }
    state = .over
    if let code { path.close(code) }
    let ended = streams.sorted { $0.key < $1.key }.map(\.value) + unopened.prefix(unopened.count)
    streams = [:]
    unopened.removeAll()
    waiting = StreamTurns()
    progressed = []
    for stream in ended { stream.end(.linkClosed) }
    let tell = onClose
    (onClose, onStream, onSent, onMeasured) = (nil, nil, nil, nil)
    tell?(error)
  }
}

// MARK: The connection

extension QUICCarrier: QUICConnectionUser {
  private func heard() {
    lastHeard = loop.now
    isAnswerDue = false
  }

  func opened(_ id: Int64) {
    guard state != .over else { return }
    heard()
    let stream = QUICStream(carrier: self, openedByPeer: id)
    streams[id] = stream
    counters.openStreams += 1
    if let onStream { onStream(stream) } else { stream.reset() }
  }

  func received(_ bytes: UnsafeRawBufferPointer, isLast: Bool, on id: Int64) {
    guard state != .over, let stream = streams[id] else { return }
    heard()
    counters.received.add(bytes.count, at: lastHeard)
    path.gather(bytes, for: stream)
    guard isLast else { return }
    path.deliverGathered()
    stream.finishedByPeer()
  }

  func acknowledged(_ count: Int, on id: Int64) {
    guard state != .over else { return }
    heard()
    counters.acknowledged += UInt64(count)
    streams[id]?.acknowledged(count)
  }

  func unblocked(_ id: Int64) {
    guard state != .over, let stream = streams[id], stream.isBlocked else { return }
    heard()
    stream.unblock()
    counters.waiting += stream.queuedBytes
    schedule(stream)
  }

  func reset(_ id: Int64) {
    path.deliverGathered()
    guard state != .over, let stream = streams[id] else { return }
    heard()
    reset(stream)
    stream.end(.reset)
  }

  func closed(_ id: Int64, isClean: Bool) {
    path.deliverGathered()
    guard state != .over, let stream = streams.removeValue(forKey: id) else { return }
    heard()
    drop(stream)
    // Bytes that a stream given up had on their way are not acknowledged one by one.
    counters.acknowledged += UInt64(stream.unacknowledgedBytes)
    if !isClean { stream.end(.reset) }
  }

  func mayOpenStreams() { admitStreams() }

  func receivedDatagram(_ bytes: UnsafeRawBufferPointer) {
    guard state != .over else { return }
    heard()
    var reader = ByteReader(Array(bytes))
    guard let code = try? reader.byte(), let value = try? reader.integer(UInt32.self) else { return }
    switch DatagramKind(rawValue: code) {
    case .ping: if datagrams.count < Self.maximumAnswers { send(.pong, value) }
    case .pong: answered(value)
    case nil: break
    }
  }

  private func answered(_ value: UInt32) {
    guard let index = sentPings.firstIndex(where: { $0.value == value }) else { return }
    let isFirst = counters.pings.roundTripTime == nil
    counters.pings.sent(value, at: sentPings[index].at)
    counters.pings.answered(value, at: lastHeard)
    sentPings.removeFirst(index + 1)
    if isFirst { onMeasured?() }
  }

  // MARK: Sending

  func nextDatagram() -> [UInt8]? { state == .over ? nil : datagrams.first }

  func tookDatagram() { if !datagrams.isEmpty { datagrams.removeFirst() } }

  func nextChunk() -> QUICChunk? {
    while let id = waiting.first {
      if let stream = streams[id], !stream.isBlocked || stream.queuedBytes == 0, let chunk = stream.chunk {
        return chunk
      }
      _ = waiting.next()
    }
    return nil
  }

  func took(_ count: Int, of chunk: QUICChunk) {
    guard let stream = streams[chunk.stream] else { return }
    stream.sent(count, of: chunk)
    counters.waiting -= count
    counters.sent.add(count, at: loop.now)
    if count > 0, !isAnswerDue {
      isAnswerDue = true
      counters.hasSent = true
    }
    if progressed.last !== stream { progressed.append(stream) }
    waiting.sent(count, by: chunk.stream, hasMore: stream.hasQueue)
  }

  func blocked(_ id: Int64) {
    if waiting.first == id { _ = waiting.next() }
    guard let stream = streams[id], !stream.isBlocked else { return }
    stream.block()
    counters.waiting -= stream.queuedBytes
  }

  func gone(_ id: Int64) {
    if waiting.first == id { _ = waiting.next() }
    if let stream = streams[id] { drop(stream) }
  }

  /// Packets were written, and none is being written now.
  private func flushed() {
    guard state != .over else { return }
    let streams = progressed
    progressed = []
    if counters.hasSent {
      counters.hasSent = false
      onSent?()
    }
    for stream in streams where state != .over { stream.reportSent() }
    if counters.wasCongested, counters.waiting < Self.congestedBytes { tellAllWritable() }
    finishIfDelivered()
  }

  private func tellAllWritable() {
    counters.wasCongested = false
    for (_, stream) in streams.sorted(by: { $0.key < $1.key }) {
      guard state != .over, !isCongested else { return }
      stream.tellWritable()
    }
  }
}
