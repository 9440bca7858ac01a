import Links
import Primitives

/// One direction of a relayed stream: passes on what one node sends as the other takes it. Bound to the loop.
///
/// A byte is released to the sender only when the receiver's link has taken it, so what waits here is bounded by the
/// window. `RelayTurns` decides when bytes pass.
final class RelayDirection: RelayFlow {
  /// Most bytes of a turn while others wait.
  static let turn = 64 << 10
  /// From this number of bytes in one record on, more are expected to follow.
  static let bulk = 8 << 10

  let pair: NodePair
  let sinkLink: LinkID?
  var isInLine = false
  private let source: any ByteStream
  private let sink: any ByteStream
  private let roundTripTime: () -> Duration?
  private let clock: RelayClock
  private var held = HeldBytes()
  private var window: RelayWindow
  /// Bytes that were passed to the sink, and not yet counted as taken.
  private var inSink = 0
  private var released = ReleasedBytes()
  private var ending = Ending.open
  /// When the sink last took bytes, or bytes began to wait for it; nil while none wait.
  private var waitingSince: Instant?

  private enum Ending {
    /// The source may send more.
    case open
    /// The source has finished, and the end has yet to be passed on.
    case finishing
    case finished
    /// The stream was given up.
    case closed
  }

  /// - Parameters:
  ///   - source: the stream whose bytes are passed on. Its owner calls `receive`.
  ///   - roundTripTime: of the source's link.
  init(
    from source: any ByteStream, to sink: any ByteStream, over sinkLink: LinkID, pair: NodePair,
    roundTripTime: @escaping () -> Duration?, pool: RelayPool, clock: RelayClock
  ) {
    self.source = source
    self.sink = sink
    self.sinkLink = sinkLink
    self.pair = pair
    self.roundTripTime = roundTripTime
    self.clock = clock
    heardAt = clock.now()
    window = RelayWindow(pool: pool, at: heardAt)
  }

  /// Bytes that wait here, or for the sink's link.
  var waitingBytes: Int { held.count + inSink }
  /// The size of the window.
  var windowSize: Int { window.size }
  var hasWork: Bool { held.count > 0 || ending == .finishing }
  /// Whether the source sends nothing more.
  var hasSourceEnded: Bool { ending != .open }
  /// When bytes, or the end, last arrived from the source.
  private(set) var heardAt: Instant
  /// Whether everything has been passed on, and the sink's link has taken it.
  var isOver: Bool { ending == .closed || (ending == .finished && sink.queuedBytes == 0) }

  // MARK: From the source

  /// Bytes have arrived.
  ///
  /// - Parameter areReleased: whether they no longer count against the window.
  func receive(_ bytes: UnsafeRawBufferPointer, areReleased: Bool = false) {
    guard ending == .open else { return }
    heardAt = clock.now()
    window.heard(at: heardAt)
    held.append(bytes)
    if areReleased { released.add(bytes.count) }
    if waitingSince == nil, waitingBytes > 0 { waitingSince = clock.now() }
  }

  /// The source sends nothing more.
  func finish() {
    guard ending == .open else { return }
    ending = .finishing
    heardAt = clock.now()
  }

  // MARK: To the sink

  var canPass: Bool {
    guard hasWork else { return false }
    return held.count == 0 || (sink.queuedBytes == 0 && sink.isWritable)
  }

  func pass(upTo limit: Int) -> Int {
    var count = 0
    if held.count > 0 {
      let bytes = held.take(upTo: limit)
      count = bytes.count
      if inSink == 0 { waitingSince = clock.now() }
      inSink += count
      sink.write(bytes)
      settle()
    }
    if held.count == 0, ending == .finishing {
      ending = .finished
      sink.finish()
    }
    return count
  }

  func rest() {}

  /// Releases to the source what the sink's link has taken.
  func settle() {
    let taken = inSink - sink.queuedBytes
    guard taken > 0, ending != .closed else { return }
    inSink -= taken
    let now = clock.now()
    waitingSince = waitingBytes > 0 ? now : nil
    let counted = released.counted(of: taken)
    let credit = window.taken(counted, waiting: waitingBytes, roundTrip: roundTripTime(), at: now)
    if credit > 0 { source.consumed(credit) }
  }

  // MARK: The end

  /// When the sink will have taken nothing for `limit`; nil if nothing waits for it.
  func stallDeadline(_ limit: Duration, at now: Instant) -> Instant? {
    // What waits for its turn or for the rate does not wait for the sink.
    if waitingSince != nil, sink.queuedBytes == 0, sink.isWritable { waitingSince = now }
    return waitingSince.map { $0 + limit }
  }

  /// Drops everything: the stream was given up. Idempotent.
  func close() {
    guard ending != .closed else { return }
    ending = .closed
    held = HeldBytes()
    inSink = 0
    released = ReleasedBytes()
    waitingSince = nil
    window.close()
  }
}
