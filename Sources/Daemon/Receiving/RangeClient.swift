import EventLoop
import Links
import Primitives
import Transfer
import Wire

/// Fetches ranges of one node's files over the lanes to it, and delivers their bytes in the order of the requests.
/// Bound to the loop.
///
/// Spans that arrive early wait in memory; they count against their stream's window until they are consumed, so
/// together they take no more than the windows.
final class RangeClient: LaneUser {
  /// Received data, in the order of the requests.
  enum Event {
    /// The node grants the next range; its bytes follow.
    case began
    /// The next bytes. The pointer is valid only during the call. They count against the window until `consumed`.
    case bytes(UnsafeRawBufferPointer)
    /// All bytes of the range have arrived.
    case ended
    case refused(Refusal)
    /// The node's answer does not fit the request.
    case wrongCount
  }

  /// The bytes of one span.
  private struct Arrival {
    var span: SpanQueue.Span
    /// Early bytes, with the streams that delivered them.
    var early: [(bytes: [UInt8], from: SpanStream)] = []
    /// The node's answer instead of bytes.
    var failure: Event?
    var isGranted = false
    var isComplete = false
  }

  var onEvent: ((Event) -> Void)?
  /// Called when nothing more can arrive: no lane is left, or the node violated the protocol.
  var onEnd: (() -> Void)?
  /// Called when several lanes are up and some are idle: more ranges can be requested.
  var onRoom: (() -> Void)?
  /// What stands for a channel in requests on a link; nil if it is not joined or the link is not up.
  var proof: (Topic, LinkID?) -> ChannelProof? = { _, _ in nil }
  /// The bytes that the transfer still needs, for deciding how many lanes are worthwhile.
  var left: () -> UInt64 = { 0 }

  private let lanes: any Lanes
  private let window: Int
  private let laneWindow: Int
  private let loop: EventLoop
  private let clock: () -> Instant
  /// What the streams that have ended have shown of the rates of their lanes.
  private var meters: [LaneID: SourceRate] = [:]
  private var checks: Timer?
  /// The stream that others wait for, and since when.
  private var late: (stream: SpanStream, since: Instant)?
  /// The file that is fetched, and the channel over which.
  private var file: (hash: ContentHash, topic: Topic)?
  private var queue = SpanQueue()
  private var streams: [SpanStream] = []
  private var arrivals: [Int: Arrival] = [:]
  /// The number of the span being delivered.
  private var head = 0
  /// Delivered bytes that are not consumed yet, with their streams.
  private var delivered = Queue<(stream: SpanStream, count: Int)>()
  /// Consumed bytes of the first of these.
  private var consumedOfFirst = 0
  private var arrivedSinceAssigning = 0
  /// Whether `onRoom` was called since the last request.
  private var hasAnnouncedRoom = false
  private var isClosed = false

  /// - Parameters:
  ///   - window: most bytes that may wait to be consumed, on the link itself.
  ///   - laneWindow: the same for each lane.
  ///   - clock: the current time, if not the loop's.
  init(_ lanes: any Lanes, window: Int, laneWindow: Int, loop: EventLoop, clock: (() -> Instant)? = nil) {
    self.clock = clock ?? { loop.now }
    self.lanes = lanes
    self.window = window
    self.laneWindow = laneWindow
    self.loop = loop
    lanes.join(self)
  }

  var bytesLeft: UInt64 { max(left(), queue.unassigned) }

  /// Requests a range over the channel with this topic. All ranges are of the same file.
  func request(_ range: ByteRange, of hash: ContentHash, over topic: Topic) {
    guard !isClosed else { return }
    file = (hash, topic)
    hasAnnouncedRoom = false
    queue.add(range)
    assign()
  }

  /// Lets the node send `count` more bytes. Bytes are consumed in the order of delivery.
  func consumed(_ count: Int) {
    var rest = count
    while rest > 0, let first = delivered.first {
      let part = min(rest, first.count - consumedOfFirst)
      first.stream.consumed(part)
      rest -= part
      consumedOfFirst += part
      guard consumedOfFirst == first.count else { continue }
      delivered.removeFirst(1)
      consumedOfFirst = 0
    }
  }

  /// Abandons all requests. Idempotent.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    onEvent = nil
    onEnd = nil
    onRoom = nil
    checks?.cancel()
    lanes.leave(self)
    for stream in streams { stream.close() }
    streams = []
    arrivals = [:]
  }

  private func end() {
    guard !isClosed else { return }
    let tell = onEnd
    close()
    tell?()
  }

  // MARK: Requests

  func lanesChanged() {
    guard !isClosed else { return }
    // In the next turn: the streams of a closed lane must have ended first.
    _ = loop.after(.zero) { [weak self] in self?.assign() }
  }

  func linkAbandoned(_ link: LinkID) {
    for stream in streams where stream.lane.owner == link {
      streams.removeAll { $0 === stream }
      stream.close()
      takeBack(stream)
    }
  }

  /// Assigns spans to the lanes until each has enough to do.
  private func assign() {
    guard !isClosed, let file else { return }
    arrivedSinceAssigning = 0
    let usable = lanes.usable
    guard !usable.isEmpty else { return end() }
    retire(except: Set(usable.map(\.id)))
    while !queue.isEmpty, let stream = nextStream(usable) {
      // The same channel has another proof on each link.
      guard let channel = proof(file.topic, stream.lane.owner) else { return end() }
      let share = usable.count > 1 ? queue.unassigned / UInt64(2 * usable.count) : .max
      guard let span = queue.next(upTo: SpanSize.span(rate: stream.rate(at: clock()), share: share)) else { return }
      if arrivals[span.number] == nil { arrivals[span.number] = Arrival(span: span) }
      stream.request(
        span, FetchRequest(channel: channel, hash: file.hash, range: span.bytes), at: clock())
    }
    if checks == nil, usable.count > 1 {
      checks = loop.after(Takeover.period, repeating: Takeover.period) { [weak self] in self?.relieve() }
    }
    guard queue.isEmpty, !hasAnnouncedRoom, usable.count > 1, nextStream(usable) != nil else {
      return
    }
    hasAnnouncedRoom = true
    onRoom?()
  }

  /// The stream that should get the next span: the one that will be done first; nil if all have enough to do.
  private func nextStream(_ usable: [Lane]) -> SpanStream? {
    let number = queue.nextNumber
    for lane in usable where !streams.contains(where: { $0.lane == lane.id && $0.accepts(number) }) { open(lane) }
    let now = clock()
    let open = streams.filter { stream in
      stream.accepts(number) && stream.hasRoom(roundTripTime: lanes.roundTripTime, at: now)
    }
    return open.min { $0.timeToDo(at: now) < $1.timeToDo(at: now) }
  }

  private func open(_ lane: Lane) {
    for stream in streams where stream.lane == lane.id { stream.isRetiring = true }
    let earlier = streams.last { $0.lane == lane.id }?.meter ?? meters[lane.id] ?? SourceRate()
    let stream = SpanStream(
      lane.id, lane.open(lane.id.isLink ? window : laneWindow), meter: earlier.paused(at: clock()), clock: clock)
    stream.onEvent = { [weak self, weak stream] event in
      guard let self, let stream else { return }
      receive(event, from: stream)
    }
    stream.onEnd = { [weak self, weak stream] isLost in
      guard let self, let stream else { return }
      ended(stream, isLost: isLost)
    }
    streams.append(stream)
  }

  /// Stops assigning spans to lanes that are no longer usable, and to replaced streams.
  private func retire(except usable: Set<LaneID>) {
    for stream in streams where !usable.contains(stream.lane) { stream.isRetiring = true }
    for stream in streams where stream.isRetiring && stream.isIdle { stream.finish() }
    streams.removeAll { $0.isRetiring && $0.isIdle }
  }

  /// Gives idle lanes something to do.
  func relieve() {
    // What was refused while other sources had to be waited for may be granted now.
    if hasAnnouncedRoom {
      hasAnnouncedRoom = false
      assign()
    }
    takeOver()
  }

  /// Requests on other lanes what a slow one holds them up with.
  private func takeOver() {
    guard !isClosed else { return }
    let now = clock()
    let slow = streams.first { $0.requested.first?.number == head && isLate($0, at: now) }
    guard let slow, late?.stream === slow else {
      late = slow.map { ($0, now) }
      return
    }
    guard let since = late?.since, now - since >= Takeover.confirmation else { return }
    late = nil
    slow.close()
    meters[slow.lane] = slow.meter
    streams.removeAll { $0 === slow }
    takeBack(slow)
  }

  /// Whether other lanes, which wait for this one, would have its bytes here much earlier.
  private func isLate(_ slow: SpanStream, at now: Instant) -> Bool {
    let others = streams.filter { $0 !== slow && ($0.isIdle || isHeldUp($0)) }.compactMap { $0.rate(at: now) }
    guard let rate = slow.rate(at: now), let other = others.max() else { return false }
    return Takeover.isDue(slow.outstandingBytes, at: rate, other: other)
  }

  /// Whether half of the stream's window is taken up by bytes that wait for those of other streams.
  private func isHeldUp(_ stream: SpanStream) -> Bool {
    let waiting = arrivals.values.reduce(0) { sum, arrival in
      arrival.early.reduce(sum) { $1.from === stream ? $0 + $1.bytes.count : $0 }
    }
    return waiting >= laneWindow / 2
  }

  // MARK: Answers

  private func receive(_ event: SpanStream.Event, from stream: SpanStream) {
    let number = event.span.number
    switch event {
    case .granted(let span):
      // A span that was lost with its lane is granted again.
      guard arrivals[number]?.isGranted == false else { return }
      arrivals[number]?.isGranted = true
      if number == head, span.isFirst { onEvent?(.began) }
    case .bytes(_, let bytes):
      arrive(bytes, number, stream)
      arrivedSinceAssigning += bytes.count
    case .complete:
      arrivals[number]?.isComplete = true
      advance()
    case .refused(_, let refusal): fail(.refused(refusal), number)
    case .wrongCount: fail(.wrongCount, number)
    }
    // Less than this makes no room for another span.
    if arrivedSinceAssigning >= Int(SpanSize.least / 2) || stream.isIdle { assign() }
  }

  private func arrive(_ bytes: UnsafeRawBufferPointer, _ number: Int, _ stream: SpanStream) {
    lanes.arrived(bytes.count)
    guard var missing = arrivals[number]?.span.bytes else { return }
    missing = missing.dropFirst(UInt64(bytes.count))
    arrivals[number]?.span.bytes = missing
    guard number == head else {
      arrivals[number]?.early.append((Array(bytes), stream))
      return
    }
    deliver(bytes, from: stream)
  }

  private func deliver(_ bytes: UnsafeRawBufferPointer, from stream: SpanStream) {
    delivered.append((stream, bytes.count))
    onEvent?(.bytes(bytes))
  }

  private func fail(_ event: Event, _ number: Int) {
    arrivals[number]?.failure = event
    guard number == head else { return }
    onEvent?(event)
  }

  /// Delivers the next spans, as far as they have arrived.
  private func advance() {
    while !isClosed, let arrival = arrivals[head], arrival.isComplete {
      arrivals[head] = nil
      head += 1
      if arrival.span.isLast { onEvent?(.ended) }
      guard !isClosed, let next = arrivals[head] else { continue }
      if next.isGranted, next.span.isFirst { onEvent?(.began) }
      arrivals[head]?.early = []
      for (bytes, stream) in next.early where !isClosed { bytes.withUnsafeBytes { deliver($0, from: stream) } }
      if !isClosed, let failure = next.failure { onEvent?(failure) }
    }
  }

  private func ended(_ stream: SpanStream, isLost: Bool) {
    streams.removeAll { $0 === stream }
    // If the node resets a stream, it no longer serves the file; a broken lane or link says nothing about the node.
    guard isLost else { return stream.isIdle && stream.isRetiring ? () : end() }
    takeBack(stream)
  }

  /// Requests on other lanes what the stream has not delivered.
  private func takeBack(_ stream: SpanStream) {
    queue.takeBack(stream.requested.compactMap { arrivals[$0.number]?.span })
    lanesChanged()
  }
}
