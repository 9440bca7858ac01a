import EventLoop
package import Primitives

/// A path to a node that has proved its ID, carrying many streams: a carrier and the clock that watches it. Bound to the
/// loop.
///
///     up ──close()──▶ closing (sends what was written, as windows allow, for at most 2 s) ──▶ closed
///      └──the peer closes, falls silent or breaks the protocol───────────────────────────────▶ closed
///
/// The link owns its carrier. A link that is released while it is up closes immediately; one that is closing stays until
/// it is closed.
package final class Link {
  /// How long a closing link may take to send what was written.
  static let closingTime: Duration = .seconds(2)

  /// Whether this side opened the link. If both did, because their dials crossed, one of them counts.
  package var isDialer: Bool { carrier.isDialer }
  /// Called once with the end of the link; nil if either side closed it in order.
  package var onClose: ((KacheryError?) -> Void)?
  /// Called with true when an answer of the peer is overdue, and with false when the peer is heard again. The link stays
  /// up meanwhile.
  package var onSilence: ((Bool) -> Void)?
  /// Called when small packets pass and large ones get lost, before `onSilence`.
  var onLargePacketsLost: (() -> Void)?
  /// Called once the round trip is known.
  package var onMeasured: (() -> Void)? {
    get { carrier.onMeasured }
    set { carrier.onMeasured = newValue }
  }
  /// Whether something waits for the peer, besides what was sent last. The default is that any stream is open.
  package var isAwaited: ((Link) -> Bool) = { $0.openStreams > 0 }

  private let loop: EventLoop
  let carrier: any StreamCarrier
  private var clock: LinkClock
  private var pinger: Timer?
  private var pingerPeriod: Duration?
  private var closer: Timer?
  private var isOver = false

  init(loop: EventLoop, carrier: any StreamCarrier) {
    self.loop = loop
    self.carrier = carrier
    clock = LinkClock(at: loop.now)
    carrier.onClose = { [weak self] in self?.closed($0) }
    carrier.onSent = { [weak self] in self?.watch() }
    scheduleCheck()
  }

  deinit {
    guard !isOver else { return }
    // Nothing else refers to these, and only the loop touches them.
    nonisolated(unsafe) let (carrier, pinger) = (carrier, pinger)
    loop.post {
      pinger?.cancel()
      carrier.end(nil)
    }
  }

  /// The node at the other end.
  package var peer: NodeID { carrier.peer }

  /// The address of the other end; nil if it has none.
  package var remoteEndpoint: Endpoint? { carrier.remoteEndpoint }
  /// Where the relay sees the other end, if the link leads through one; its owner sets it.
  package var seenAt: [Endpoint] = []

  /// How the bytes get to the other end.
  package var passage: Passage { carrier.passage }

  /// 32 bytes that both ends of this link, and of no other, derive.
  package var channelBinding: [UInt8] { carrier.channelBinding }

  /// The shortest round trip so far: the length of the path.
  package var roundTripTime: Duration? { carrier.roundTripTime }

  /// The shortest of the last round trips measured: what the path takes now, while nothing is queued.
  package var recentRoundTripTime: Duration? { carrier.shortestRoundTrip }

  /// Pings the peer now, so that the round trip time is soon known.
  package func measureRoundTrip() { carrier.ping() }

  /// Tunes the path for bulk data over a long way.
  func preferThroughput() { carrier.preferThroughput() }

  /// What it has carried.
  package var traffic: LinkTraffic { carrier.traffic }

  /// Bytes that wait for the path to take them.
  package var pendingBytes: Int { carrier.pendingBytes }

  /// Streams that are open.
  package var openStreams: Int { carrier.openStreams }

  /// Called for each stream that the peer opens; without it they are reset. A stream delivers nothing before this returns.
  package var onStream: ((any ByteStream) -> Void)? {
    get { carrier.onStream }
    set { carrier.onStream = newValue }
  }

  /// Opens a stream on which the peer may send `window` bytes ahead of what is consumed.
  ///
  /// A link that is closed, or has used up its stream numbers and therefore closes, returns a stream that ends in the
  /// next turn of the loop.
  package func openStream(window: Int = 256 << 10) -> any ByteStream {
    loop.preconditionOnLoop()
    if !isOver, let stream = carrier.openStream(window: window) { return stream }
    close()
    return ClosedStream(loop: loop)
  }

  /// Whether an answer of the peer is overdue.
  package var isSilent: Bool { clock.isSilent }

  /// Checks often from now on whether the peer answers, as long as something waits for it.
  package func watch() {
    guard !isOver, !clock.isWatched else { return }
    clock.watch(at: loop.now)
    scheduleCheck()
  }

  private func scheduleCheck() {
    guard !isOver, pingerPeriod != clock.period else { return }
    pinger?.cancel()
    pingerPeriod = clock.period
    pinger = loop.after(clock.period, repeating: clock.period) { [weak self, loop] in
      self?.checkLife(at: loop.now)
      self?.scheduleCheck()
    }
  }

  /// Pings the peer if it is time, reports whether it is silent, and ends the link if it has been silent for too long.
  func checkLife(at now: Instant) {
    let hasWork = isAwaited(self)
    let step = clock.check(
      LinkClock.Observation(
        now: now, heardAt: carrier.lastHeard, isAwaited: hasWork || carrier.isAnswerDue,
        roundTripTime: carrier.shortestRoundTrip, delivery: hasWork || clock.needsDelivery ? carrier.delivery : nil))
    if let silent = step.gone {
      return carrier.end(
        KacheryError(.timedOut, "Node \(peer.short) has been silent for \(silent.components.seconds) seconds."))
    }
    // Also while an answer is due: the ping itself is a sign of life for the peer.
    if step.isPingDue { carrier.ping() }
    if step.losesLargePackets { onLargePacketsLost?() }
    if let isSilent = step.silence { onSilence?(isSilent) }
  }

  /// Ends the link immediately, because its path is silent.
  func giveUp() {
    carrier.end(KacheryError(.timedOut, "Node \(peer.short) does not answer on this connection."))
  }

  /// Closes the link in order: sends what was written before, and nothing written later. Idempotent.
  package func close() {
    loop.preconditionOnLoop()
    guard !isOver, closer == nil else { return }
    // The timer keeps the link until it is closed.
    closer = loop.after(Self.closingTime) { self.carrier.end(nil) }
    carrier.close()
  }

  private func closed(_ error: KacheryError?) {
    isOver = true
    pinger?.cancel()
    closer?.cancel()
    onSilence = nil
    onLargePacketsLost = nil
    let tell = onClose
    onClose = nil
    tell?(error)
  }
}
