import Diagnostics
import EventLoop
import Mux
package import Primitives
import TLS

/// An encrypted connection to one node that has proved its ID, carrying many streams.
///
///     up ──close()──▶ closing (what was written is sent, as windows allow, 2 s at most) ──▶ closed
///      └──the peer closes, falls silent or breaks the protocol──────────▶ closed
///
/// Bound to the loop. Memory is bounded: what waits to be sent by `highWaterMark` and each writer's one block, what has
/// been received by the streams' windows.
package final class Link {
  /// Bytes that may wait for the kernel before streams are told to stop.
  package static let highWaterMark = 1 << 20
  /// Bytes that may wait for the kernel in all. Data stops at `highWaterMark`; a peer whose requests for answers alone
  /// make so many, and who takes none of them, is flooding.
  static let maximumPending = 4 * highWaterMark
  /// How long a closing link may take to send what was written.
  static let closingTime: Duration = .seconds(2)

  /// The node at the other end.
  package let peer: NodeID
  /// Whether this side opened the link.
  package let isDialer: Bool
  package let remoteEndpoint: Endpoint?
  /// 32 bytes that both ends of this link, and of no other, derive.
  package let channelBinding: [UInt8]
  /// Called for each stream that the other side opens. Its bytes come from the next turn of the loop on.
  package var onStream: ((LinkStream) -> Void)?
  /// The end of the link, exactly once; nil if either side closed it in order.
  package var onClose: ((KacheryError?) -> Void)?
  /// The time from the last ping to its answer.
  package var roundTripTime: Duration? { clock.roundTripTime }

  let loop: EventLoop
  private let connection: TCPConnection
  private let session: TLSSession
  private var mux: MuxSession
  private var streams: [StreamID: LinkStream] = [:]
  /// Streams with bytes to send, the next to have its turn first.
  private var waiting: [StreamID] = []
  private var frame: [UInt8] = []
  private var pinger: Timer?
  private var closer: Timer?
  private var clock: LinkClock
  private var isOver = false
  private var hasSentLast = false
  private var isPumping = false

  init(
    loop: EventLoop, connection: TCPConnection, session: TLSSession, peer: NodeID, isDialer: Bool
  ) throws(KacheryError) {
    self.loop = loop
    self.connection = connection
    self.session = session
    self.peer = peer
    self.isDialer = isDialer
    remoteEndpoint = connection.remoteEndpoint
    channelBinding = try session.exportKeyingMaterial(label: "EXPORTER-kachery-link", count: 32)
    mux = MuxSession(role: isDialer ? .client : .server)
    clock = LinkClock(at: loop.now)
    connection.onDrain = { [weak self] in self?.drained() }
    pinger = loop.after(LinkClock.pingPeriod, repeating: LinkClock.pingPeriod) { [weak self] in
      self?.checkLife(at: loop.now)
    }
  }

  /// Asks for an answer now, so that the round trip time is soon known.
  package func measureRoundTrip() {
    clock.pinged(mux.ping(), at: loop.now)
    flush()
  }

  /// The path is long: prefer a congestion control that keeps its rate when packets are lost, if the kernel has one.
  package func preferThroughput() { connection.preferThroughput() }

  /// Bytes that wait for the kernel to take them.
  package var pendingBytes: Int { connection.pendingBytes }

  /// Streams that are open.
  package var openStreams: Int { streams.count }

  var isCongested: Bool { connection.pendingBytes >= Self.highWaterMark }

  // MARK: Receiving

  /// Takes in plaintext from the session.
  func receive(_ plaintext: UnsafeRawBufferPointer) {
    clock.heard(at: loop.now)
    var input = plaintext[...]
    do throws(MuxError) {
      while !isOver, let event = try mux.next(&input) { handle(event) }
      flush()
      finishIfSent()
    } catch {
      fail(KacheryError(.protocolViolation, "Node \(peer.short) broke the stream protocol (\(error))."))
    }
  }

  private func handle(_ event: MuxEvent) {
    switch event {
    case .opened(let id):
      let stream = LinkStream(link: self, id: id)
      streams[id] = stream
      if let onStream { onStream(stream) } else { stream.reset() }
    case .data(let id, let bytes): streams[id]?.receive(bytes)
    case .finished(let id): streams[id]?.finishedByPeer()
    case .reset(let id): removeStream(id)?.end(.reset)
    case .writable(let id): if streams[id]?.hasQueue == true { pump(adding: id) }
    case .pong(let value): clock.answered(value, at: loop.now)
    case .goAway: break
    }
  }

  /// Closes the link if the peer has been silent for too long, and asks for a sign of life otherwise.
  func checkLife(at now: Instant) {
    if let silent = clock.check(at: now) {
      return fail(
        KacheryError(.timedOut, "Node \(peer.short) has been silent for \(silent.components.seconds) seconds."))
    }
    // Asked again while an answer is due: the question itself is a sign of life for the other side.
    clock.pinged(mux.ping(), at: now)
    flush()
  }

  // MARK: Sending

  /// Opens a stream on which the peer may send `window` bytes ahead of what is consumed.
  package func openStream(window: Int = 256 << 10) -> LinkStream {
    loop.preconditionOnLoop()
    guard let id = mux.openStream(window: window) else {
      // Every number has been used. A new link begins anew, and whoever wants this stream asks again on that one.
      let stream = LinkStream(link: self, id: StreamID(number: 0))
      stream.end(.linkClosed)
      close()
      return stream
    }
    let stream = LinkStream(link: self, id: id)
    streams[id] = stream
    if isOver { removeStream(stream.id)?.end(.linkClosed) } else { flush() }
    return stream
  }

  /// Sends what streams have queued, a frame each in turn, as far as their windows and the kernel allow.
  func pump(adding id: StreamID) {
    if !waiting.contains(id) { waiting.append(id) }
    pump()
  }

  private func pump() {
    guard !isPumping else { return }
    isPumping = true
    defer { isPumping = false }
    while !isOver, !isCongested, !waiting.isEmpty {
      let id = waiting.removeFirst()
      guard let stream = streams[id] else { continue }
      let room = min(mux.sendable(on: id), MuxSession.maximumFrame)
      let sent = room > 0 ? stream.sendQueued(upTo: room) : 0
      // A stream without a window comes back by itself when the window opens.
      if stream.hasQueue, sent > 0 { waiting.append(id) }
    }
  }

  /// Sends one frame. Called by a stream, with no more bytes than its window holds.
  func send(_ bytes: UnsafeRawBufferPointer, on id: StreamID) {
    guard !isOver else { return }
    mux.dataHeader(on: id, count: bytes.count)
    encrypt(followedBy: bytes)
    transmit()
  }

  private func flush() {
    guard !isOver else { return }
    let admitted = mux.takeAdmitted().filter { streams[$0]?.hasQueue == true && !waiting.contains($0) }
    encrypt(followedBy: nil)
    transmit()
    if !admitted.isEmpty {
      waiting += admitted
      pump()
    }
    guard !isOver, connection.pendingBytes > Self.maximumPending else { return }
    end(KacheryError(.protocolViolation, "Node \(peer.short) asks for answers and takes none."))
  }

  private func encrypt(followedBy bytes: UnsafeRawBufferPointer?) {
    mux.takeOutput(into: &frame)
    guard !hasSentLast else { return frame.removeAll(keepingCapacity: true) }
    do throws(KacheryError) {
      if !frame.isEmpty {
        defer { frame.removeAll(keepingCapacity: true) }
        let written: Result<Void, KacheryError> = frame.withUnsafeBytes { frame in
          Result { () throws(KacheryError) in try session.write(frame) }
        }
        try written.get()
      }
      if let bytes { try session.write(bytes) }
    } catch {
      fail(error)
    }
  }

  private func transmit() { session.drainOutput { connection.write($0) } }

  private func drained() {
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
  func removeStream(_ id: StreamID) -> LinkStream? { streams.removeValue(forKey: id) }

  // MARK: The end

  /// Closes the link in order: what was written before is sent first, nothing is taken after. Idempotent.
  package func close() {
    loop.preconditionOnLoop()
    guard !isOver, !isClosing else { return }
    mux.goAway()
    flush()
    guard !isOver else { return }
    closer = loop.after(Self.closingTime) { [weak self] in self?.finishClosing() }
    finishIfSent()
  }

  /// Whether the link only sends what was written before it was closed.
  var isClosing: Bool { closer != nil }

  private func finishIfSent() {
    guard isClosing, !isOver, !streams.values.contains(where: \.hasQueue) else { return }
    if !hasSentLast {
      session.startShutdown()
      hasSentLast = true
      transmit()
    }
    if connection.pendingBytes == 0 { finishClosing() }
  }

  private func finishClosing() { end(nil) }

  /// The connection below has ended.
  func connectionEnded(_ error: KacheryError?) {
    end(error ?? (session.isClosedByPeer ? nil : KacheryError(.disconnected, "Node \(peer.short) cut the connection.")))
  }

  func fail(_ error: KacheryError) {
    transmit()
    end(error)
  }

  private func end(_ error: KacheryError?) {
    guard !isOver else { return }
    isOver = true
    pinger?.cancel()
    closer?.cancel()
    connection.close()
    let ended = streams.values
    streams = [:]
    for stream in ended { stream.end(.linkClosed) }
    let tell = onClose
    onClose = nil
    onStream = nil
    tell?(error)
  }
}
