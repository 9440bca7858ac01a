import Links
import Primitives
import Transfer
import Wire

/// A fetch stream over one lane, on which spans are requested in order. Bound to the loop.
final class SpanStream {
  enum Event {
    case granted(SpanQueue.Span)
    case bytes(SpanQueue.Span, UnsafeRawBufferPointer)
    case complete(SpanQueue.Span)
    case refused(SpanQueue.Span, Refusal)
    /// The answer announces another number of bytes than requested.
    case wrongCount(SpanQueue.Span)

    var span: SpanQueue.Span {
      switch self {
      case .granted(let span), .bytes(let span, _), .complete(let span), .refused(let span, _), .wrongCount(let span):
        span
      }
    }
  }

  /// Most requests that may wait for the node: fewer than it accepts.
  private static let maximumRequests = 48

  let lane: LaneID
  var onEvent: ((Event) -> Void)?
  /// Called once when nothing more arrives; with true if the lane has broken, with false if the node has ended the
  /// stream.
  var onEnd: ((_ isLost: Bool) -> Void)?
  /// Whether nothing more is requested on it.
  var isRetiring = false
  /// Spans that have not arrived completely, in order.
  private(set) var requested: [SpanQueue.Span] = []

  private let stream: any ByteStream
  private var decoder = FetchReplyDecoder()
  private var lastNumber = -1
  /// Requested bytes that have not arrived.
  private(set) var outstandingBytes: UInt64 = 0
  private var arrivedBytes: UInt64 = 0
  /// How fast the lane is.
  private(set) var meter: SourceRate
  private let clock: () -> Instant

  /// - Parameter meter: what earlier streams over the lane have shown of its rate.
  init(_ lane: LaneID, _ stream: any ByteStream, meter: SourceRate = SourceRate(), clock: @escaping () -> Instant) {
    self.lane = lane
    self.meter = meter
    self.clock = clock
    self.stream = stream
    stream.write([StreamKind.fetch.rawValue])
    stream.onData = { [weak self] in self?.receive($0) }
    stream.onEnd = { [weak self] end in self?.ended(isLost: end == .linkClosed) }
  }

  var isIdle: Bool { requested.isEmpty }

  /// Whether a span with this number may be requested: its bytes must follow those of all earlier requests, or they
  /// would wait behind bytes for which there is no room.
  func accepts(_ number: Int) -> Bool { !isRetiring && number > lastNumber }

  func hasRoom(roundTripTime: Duration?, at now: Instant) -> Bool {
    requested.count < Self.maximumRequests
      && outstandingBytes
        < SpanSize.ahead(
          rate: rate(at: now), growth: meter.isSettled ? nil : arrivedBytes, roundTripTime: roundTripTime)
  }

  /// Bytes per second; nil if unknown.
  func rate(at now: Instant) -> Double? { meter.bytesPerSecond(at: now) }

  /// Seconds until all requested bytes and a small further span have arrived.
  func timeToDo(at now: Instant) -> Double {
    Double(outstandingBytes + SpanSize.least) / max(1, rate(at: now) ?? 1e6)
  }

  func request(_ span: SpanQueue.Span, _ request: FetchRequest, at now: Instant) {
    if requested.isEmpty { meter.begin(at: now) }
    requested.append(span)
    lastNumber = span.number
    outstandingBytes += span.bytes.count
    stream.write(request.encoded)
  }

  func consumed(_ count: Int) { stream.consumed(count) }

  /// Ends the stream after everything has arrived.
  func finish() {
    onEvent = nil
    onEnd = nil
    stream.finish()
  }

  /// Abandons all requests.
  func close() {
    meter.pause(at: clock())
    onEvent = nil
    onEnd = nil
    stream.reset()
  }

  // MARK: Answers

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    var events: [FetchReplyDecoder.Event] = []
    do throws(WireError) {
      try decoder.receive(bytes) { events.append($0) }
    } catch {
      return ended(isLost: false)
    }
    // Only file bytes are consumed by the receiver; the window of all other bytes is released here.
    var fileBytes = 0
    for event in events where onEvent != nil {
      switch event {
      case .reply(let reply): answered(reply)
      case .bytes(let slice):
        fileBytes += slice.count
        arrived(slice)
      case .end: complete()
      }
    }
    if onEvent != nil, bytes.count > fileBytes { stream.consumed(bytes.count - fileBytes) }
  }

  private func answered(_ reply: FetchReply) {
    guard let span = requested.first else { return ended(isLost: false) }
    if let refusal = reply.refusal {
      requested.removeFirst()
      release(span.bytes.count)
      onEvent?(.refused(span, refusal))
    } else {
      onEvent?(reply.count == span.bytes.count ? .granted(span) : .wrongCount(span))
    }
  }

  private func arrived(_ bytes: UnsafeRawBufferPointer) {
    guard let span = requested.first else { return }
    release(UInt64(bytes.count))
    arrivedBytes += UInt64(bytes.count)
    meter.add(UInt64(bytes.count), at: clock())
    onEvent?(.bytes(span, bytes))
  }

  /// Bytes are no longer outstanding. A node may send more than were requested.
  private func release(_ count: UInt64) { outstandingBytes -= min(outstandingBytes, count) }

  private func complete() {
    guard let span = requested.first else { return }
    requested.removeFirst()
    if requested.isEmpty { meter.pause(at: clock()) }
    onEvent?(.complete(span))
  }

  private func ended(isLost: Bool) {
    let tell = onEnd
    close()
    tell?(isLost)
  }
}
