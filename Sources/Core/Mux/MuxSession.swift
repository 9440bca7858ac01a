/// Identifies a stream on one link.
package struct StreamID: Hashable, Comparable, Sendable {
  package let number: UInt32

  package init(number: UInt32) { self.number = number }

  package static func < (left: StreamID, right: StreamID) -> Bool { left.number < right.number }
}

/// An action of the other side.
package enum MuxEvent {
  /// It opened a stream.
  case opened(StreamID)
  /// It sent bytes. The pointer is into the input. The bytes count against the window until `consumed`.
  case data(StreamID, UnsafeRawBufferPointer)
  /// It sends nothing more on the stream.
  case finished(StreamID)
  /// It has abandoned the stream.
  case reset(StreamID)
  /// It accepts more bytes than before.
  case writable(StreamID)
  /// It answered the ping with this value.
  case pong(UInt32)
  /// It opens no more streams and is about to close.
  case goAway
}

/// Many independent streams over one byte pipe: yamux as a state machine without I/O.
///
///     open ──finish()──▶ half-closed (local) ──peer's FIN──▶ gone
///       │──peer's FIN──▶ half-closed (remote) ──finish()───▶ gone
///       └──reset() or peer's RST──────────────────────────▶ gone
///
/// Input from the pipe goes through `next`. Output collects in `takeOutput`, and the bytes of data frames follow the
/// header that `dataHeader` writes. All output must reach the pipe in the order of the calls.
package struct MuxSession {
  /// The end of the pipe: the dialer is the client and opens odd streams.
  package enum Role: Sendable { case client, server }

  /// The initial window of every stream in both directions. Fixed by the specification.
  package static let initialWindow = 256 << 10
  /// A larger part of a window is never held back, so that a large window stays nearly whole.
  package static let largestReturn = 1 << 20
  /// Most streams that the other side may have open concurrently.
  package static let maximumPeerStreams = 1_024
  /// Bytes in the largest data frame that this side sends: other streams wait no longer than it takes to send.
  package static let maximumFrame = 128 << 10
  /// Most bytes of replies that may wait for the pipe: a peer that causes more and reads none is flooding.
  package static let maximumOutput = 256 << 10

  private struct Stream {
    var sendWindow = initialWindow
    /// What the other side may still send.
    var receiveWindow = initialWindow
    /// Bytes consumed but not yet released to the other side.
    var unreturned = 0
    /// The size of the window when nothing is unreleased.
    var fullWindow = initialWindow
    var hasFinishedHere = false
    var hasFinishedThere = false
    /// Whether the other side does not know of it yet, because it has as many open as it accepts.
    var isHeldBack = false
  }

  private var streams: [StreamID: Stream] = [:]
  private var peerStreams = 0
  /// The next stream of this side; nil once every number has been used.
  private var nextOwn: UInt32?
  /// Streams of this side that the other side knows.
  private var ownStreams = 0
  /// Streams of this side to be opened when others have ended, in order; some may be gone.
  private var heldBack: [StreamID] = []
  private var admitted: [StreamID] = []
  private var lastOfPeer: UInt32 = 0
  private let role: Role
  private var output: [UInt8] = []
  private var lastPing: UInt32 = 0

  private var head: [UInt8] = []
  private var payload: (stream: StreamID, remaining: Int, finishes: Bool)?
  private var pending: MuxEvent?

  /// A session on a fresh pipe. Tests start with a later stream.
  package init(role: Role, pairsUsed: UInt32 = 0) {
    self.role = role
    nextOwn = pairsUsed * 2 + (role == .client ? 1 : 2)
  }

  /// Streams that are open in either direction.
  package var openStreams: Int { streams.count }

  // MARK: From the pipe

  /// Reads from the front of `input` up to the next event; nil once all of it is read.
  package mutating func next(_ input: inout Slice<UnsafeRawBufferPointer>) throws(MuxError) -> MuxEvent? {
    while true {
      if let event = pending {
        pending = nil
        return event
      }
      if payload != nil {
        if let event = nextData(&input) { return event }
        if payload != nil { return nil }
        continue
      }
      let missing = MuxHeader.byteCount - head.count
      head.append(contentsOf: input.prefix(missing))
      input = input.dropFirst(missing)
      guard head.count == MuxHeader.byteCount else { return nil }
      let header = try MuxHeader.decode(head)
      head.removeAll(keepingCapacity: true)
      if let event = try receive(header) { return event }
    }
  }

  private mutating func nextData(_ input: inout Slice<UnsafeRawBufferPointer>) -> MuxEvent? {
    guard let (stream, remaining, finishes) = payload else { return nil }
    let count = min(remaining, input.count)
    let bytes = UnsafeRawBufferPointer(rebasing: input.prefix(count))
    input = input.dropFirst(count)
    let isLast = count == remaining
    payload = isLast ? nil : (stream, remaining - count, finishes)
    guard streams[stream] != nil else { return nil }
    if isLast, finishes { pending = finishedThere(stream) }
    return count > 0 ? .data(stream, bytes) : nil
  }

  private mutating func receive(_ header: MuxHeader) throws(MuxError) -> MuxEvent? {
    guard output.count < Self.maximumOutput else { throw .flood }
    switch header.type {
    case .data, .windowUpdate: return try receiveOnStream(header)
    case .goAway: return .goAway
    case .ping:
      if header.flags.contains(.ack) { return .pong(header.value) }
      MuxHeader(type: .ping, flags: .ack, value: header.value).append(to: &output)
      return nil
    }
  }

  private mutating func receiveOnStream(_ header: MuxHeader) throws(MuxError) -> MuxEvent? {
    let id = StreamID(number: header.stream)
    let isNew = header.flags.contains(.syn)
    if isNew { try accept(id) } else { try checkKnown(id) }
    if header.flags.contains(.rst) {
      skipPayload(of: header)
      // A stream that is opened and reset in one frame was never reported.
      return remove(id) && !isNew ? .reset(id) : nil
    }
    if header.type == .data { try receiveData(header, id) }
    let widened = header.type == .windowUpdate ? try widen(id, by: header.value) : nil
    let finished = header.type == .windowUpdate && header.flags.contains(.fin) ? finishedThere(id) : nil
    // A window update in the opening frame is not an event: the owner does not know the stream yet.
    guard let first = isNew ? .opened(id) : widened else { return finished }
    pending = finished
    return first
  }

  private mutating func receiveData(_ header: MuxHeader, _ id: StreamID) throws(MuxError) {
    let count = Int(header.value)
    if let stream = streams[id] {
      guard count <= stream.receiveWindow else { throw .windowExceeded }
      guard !stream.hasFinishedThere || count == 0 else { throw .badStream }
      streams[id]?.receiveWindow -= count
    }
    payload = (id, count, header.flags.contains(.fin))
  }

  private mutating func skipPayload(of header: MuxHeader) {
    guard header.type == .data, header.value > 0 else { return }
    payload = (StreamID(number: 0), Int(header.value), false)
  }

  private mutating func accept(_ id: StreamID) throws(MuxError) {
    guard isOfPeer(id), id.number > lastOfPeer else { throw .badStream }
    guard peerStreams < Self.maximumPeerStreams else { throw .tooManyStreams }
    lastOfPeer = id.number
    peerStreams += 1
    streams[id] = Stream()
    MuxHeader(type: .windowUpdate, flags: .ack, stream: id.number).append(to: &output)
  }

  /// Frames of a stream that is gone may still be in flight; frames of a stream that never existed may not.
  private func checkKnown(_ id: StreamID) throws(MuxError) {
    guard streams[id] == nil else { return }
    let existed = id.number > 0 && (isOfPeer(id) ? id.number <= lastOfPeer : nextOwn.map { id.number < $0 } ?? true)
    guard existed else { throw .badStream }
  }

  private func isOfPeer(_ id: StreamID) -> Bool { id.number.isMultiple(of: 2) == (role == .client) }

  private mutating func widen(_ id: StreamID, by delta: UInt32) throws(MuxError) -> MuxEvent? {
    guard delta > 0, let stream = streams[id] else { return nil }
    let window = stream.sendWindow + Int(delta)
    guard window <= Int(UInt32.max) else { throw .windowExceeded }
    streams[id]?.sendWindow = window
    return stream.hasFinishedHere ? nil : .writable(id)
  }

  private mutating func finishedThere(_ id: StreamID) -> MuxEvent? {
    guard let stream = streams[id], !stream.hasFinishedThere else { return nil }
    streams[id]?.hasFinishedThere = true
    if stream.hasFinishedHere { _ = remove(id) }
    return .finished(id)
  }

  private mutating func remove(_ id: StreamID) -> Bool {
    guard let stream = streams.removeValue(forKey: id) else { return false }
    if isOfPeer(id) {
      peerStreams -= 1
    } else if !stream.isHeldBack {
      ownStreams -= 1
    }
    return true
  }

  // MARK: To the pipe

  /// Opens a stream on which the other side may send `window` bytes beyond what was consumed.
  ///
  /// The other side accepts a limited number concurrently; further streams are opened as others end, and until then
  /// nothing may be sent on them (`takeAdmitted`).
  ///
  /// - Returns: nil once every number has been used; a new pipe is then needed.
  package mutating func openStream(window: Int = initialWindow) -> StreamID? {
    guard let number = nextOwn else { return nil }
    let (following, isLast) = number.addingReportingOverflow(2)
    nextOwn = isLast ? nil : following
    let id = StreamID(number: number)
    let full = max(window, Self.initialWindow)
    streams[id] = Stream(receiveWindow: full, fullWindow: full, isHeldBack: true)
    heldBack.append(id)
    admit()
    admitted.removeAll { $0 == id }
    return id
  }

  /// The streams opened to the other side since the last call, except those opened immediately.
  package mutating func takeAdmitted() -> [StreamID] {
    admit()
    defer { admitted.removeAll(keepingCapacity: true) }
    return admitted
  }

  private mutating func admit() {
    guard ownStreams < Self.maximumPeerStreams, !heldBack.isEmpty else { return }
    var released = 0
    for id in heldBack {
      guard ownStreams < Self.maximumPeerStreams else { break }
      released += 1
      guard let stream = streams[id] else { continue }
      streams[id]?.isHeldBack = false
      ownStreams += 1
      MuxHeader(
        type: .windowUpdate, flags: .syn, stream: id.number, value: UInt32(stream.fullWindow - Self.initialWindow)
      ).append(to: &output)
      if stream.hasFinishedHere { MuxHeader(type: .data, flags: .fin, stream: id.number).append(to: &output) }
      admitted.append(id)
    }
    heldBack.removeFirst(released)
  }

  /// Bytes that may be sent on the stream now; 0 if it has ended.
  package func sendable(on id: StreamID) -> Int {
    guard let stream = streams[id], !stream.hasFinishedHere, !stream.isHeldBack else { return 0 }
    return stream.sendWindow
  }

  /// Writes the header of a data frame to the output. Its `count` bytes must follow immediately; at most `sendable`.
  package mutating func dataHeader(on id: StreamID, count: Int) {
    precondition(count <= sendable(on: id) && count <= Self.maximumFrame, "more bytes than the window or a frame holds")
    streams[id]?.sendWindow -= count
    MuxHeader(type: .data, stream: id.number, value: UInt32(count)).append(to: &output)
  }

  /// Announces that nothing more will be sent on the stream.
  package mutating func finish(_ id: StreamID) {
    guard let stream = streams[id], !stream.hasFinishedHere else { return }
    streams[id]?.hasFinishedHere = true
    guard !stream.isHeldBack else { return }
    if stream.hasFinishedThere { _ = remove(id) }
    MuxHeader(type: .data, flags: .fin, stream: id.number).append(to: &output)
  }

  /// Abandons the stream in both directions. Bytes from the other side in the meantime are dropped.
  package mutating func reset(_ id: StreamID) {
    let isKnown = streams[id]?.isHeldBack == false
    guard remove(id), isKnown else { return }
    MuxHeader(type: .windowUpdate, flags: .rst, stream: id.number).append(to: &output)
  }

  /// Releases consumed bytes of the stream: the other side may send as many more.
  package mutating func consumed(_ count: Int, on id: StreamID) {
    guard var stream = streams[id], !stream.hasFinishedThere else { return }
    stream.unreturned += count
    // Released in large steps: a frame for every read would cost more than it gains.
    if stream.unreturned >= min(stream.fullWindow / 2, Self.largestReturn) {
      MuxHeader(type: .windowUpdate, stream: id.number, value: UInt32(stream.unreturned)).append(to: &output)
      stream.receiveWindow += stream.unreturned
      stream.unreturned = 0
    }
    streams[id] = stream
  }

  /// Asks the other side for a sign of life; the pong contains the value that this returns.
  package mutating func ping() -> UInt32 {
    lastPing &+= 1
    MuxHeader(type: .ping, flags: .syn, value: lastPing).append(to: &output)
    return lastPing
  }

  /// Announces that this side is about to close the pipe.
  package mutating func goAway() { MuxHeader(type: .goAway).append(to: &output) }

  /// The output to send next. Appends to `buffer`.
  package mutating func takeOutput(into buffer: inout [UInt8]) {
    buffer.append(contentsOf: output)
    output.removeAll(keepingCapacity: true)
  }

  /// Frees the memory that output took, if none waits.
  package mutating func releaseMemory() {
    if output.isEmpty { output = [] }
  }
}
