import Links
import Primitives
import Wire

/// One stream through this node: from the opener's request to the end of both directions. Bound to the loop.
///
///     reading ──request──▶ asking ──the target agrees──▶ open ──both directions end──▶ over
///        └───────────────────┴──refusal, end or garbage──┴──reset, end of a link─────▶ over
///
/// A stream for a joined lane is over with the token that both nodes get when the target agrees.
final class Relay {
  /// What the relay's owner decides or has to know.
  enum Event {
    /// The opener's request has arrived; the owner calls `connect` or `refuse`.
    case asked(RelayRequest)
    /// The target has agreed.
    case granted
    /// The target has agreed to a lane; the owner calls `send` with a token, or `refuse`.
    case agreed
    /// The opener gets this answer.
    case refused(RelayStatus)
    /// Bytes wait for one of the two nodes, or one of them has finished.
    case waits
    /// Nothing is left. Called exactly once.
    case ended
  }

  private enum State { case reading, asking, open, over }

  let id: UInt64
  let opener: RelayLink
  private(set) var target: RelayLink?
  private let near: any ByteStream
  private var far: (any ByteStream)?
  /// From the opener to the target, and back.
  private var directions: [RelayDirection] = []
  private var state = State.reading
  /// Of the frame that is expected: the request, then the answer.
  private var decoder = FrameDecoder(limit: RelayFrame.limit)
  private var earlyBytes = 0
  /// Nil until there is a way to the target.
  private var turns: RelayTurns?
  private var onEvent: ((Event) -> Void)?

  init(id: UInt64, opener: RelayLink, stream: any ByteStream, onEvent: @escaping (Event) -> Void) {
    self.id = id
    self.opener = opener
    near = stream
    self.onEvent = onEvent
  }

  /// Whether the target has agreed, also if the stream is over since.
  private(set) var isGranted = false
  /// Whether the target has yet to answer.
  var isAsking: Bool { state == .asking }
  /// Whether the target is asked for a joined lane: then only a token passes.
  var isForLane: Bool { target != nil && directions.isEmpty }
  /// Whether it carries a link.
  var isOpen: Bool { state == .open }
  /// The sizes of the windows: the opener's, and the target's.
  var windows: [Int] { directions.map(\.windowSize) }
  /// Bytes that wait, in both directions together.
  var waitingBytes: Int { directions.reduce(0) { $0 + $1.waitingBytes } }

  // MARK: The request

  /// Starts to read the request; `first` holds the bytes that arrived with the stream's kind.
  func start(with first: [UInt8]) {
    near.onData = { [weak self] in self?.receiveFromOpener($0) }
    near.onEnd = { [weak self] in self?.openerEnded($0) }
    first.withUnsafeBytes { readRequest($0) }
  }

  private func receiveFromOpener(_ bytes: UnsafeRawBufferPointer) {
    switch state {
    case .reading:
      near.consumed(bytes.count)
      readRequest(bytes)
    case .asking:
      guard areFew(early: bytes.count) else { return giveUp() }
      pass(bytes, 0)
    case .open: pass(bytes, 0)
    case .over: break
    }
  }

  private func readRequest(_ bytes: UnsafeRawBufferPointer) {
    decoder.append(bytes)
    do throws(WireError) {
      guard let frame = try decoder.next() else { return }
      let request = try RelayRequest.decode(frame)
      let early = decoder.takeRest()
      guard areFew(early: early.count) else { return giveUp() }
      onEvent?(.asked(request))
      guard state == .asking else { return }
      early.withUnsafeBytes { pass($0, 0, areReleased: true) }
    } catch {
      giveUp()
    }
  }

  /// Counts bytes that arrive before the answer, which are held or already on their way to the target.
  private func areFew(early count: Int) -> Bool {
    earlyBytes += count
    return earlyBytes <= RelayFrame.earlyBytes
  }

  // MARK: The target's answer

  /// Opens a stream to the target and asks it whether it accepts a link.
  func connect(
    to target: RelayLink, for request: RelayRequest, in turns: RelayTurns, pool: RelayPool, clock: RelayClock
  ) {
    guard state == .reading else { return }
    self.turns = turns
    let far = open(target)
    let pair = NodePair(opener.node, target.node)
    directions = [
      RelayDirection(
        from: near, to: far, over: target.id, pair: pair, roundTripTime: opener.roundTripTime, pool: pool, clock: clock),
      RelayDirection(
        from: far, to: near, over: opener.id, pair: pair, roundTripTime: target.roundTripTime, pool: pool, clock: clock),
    ]
    for (stream, index) in [(far, 0), (near, 1)] {
      stream.onWritable = { [weak self] in self?.unblock(index) }
      stream.onSent = { [weak self, weak stream] in
        self?.settle(index)
        if stream?.queuedBytes == 0 { self?.unblock(index) }
      }
    }
    ask(far, for: request, seenAt: opener.seenAt)
  }

  /// Opens a stream to the target and asks it whether it accepts a lane.
  func askForLane(to target: RelayLink, for request: RelayRequest) {
    guard state == .reading else { return }
    ask(open(target), for: request)
  }

  private func open(_ target: RelayLink) -> any ByteStream {
    state = .asking
    self.target = target
    let far = target.open(RelayWindow.first)
    self.far = far
    far.onData = { [weak self] in self?.receiveFromTarget($0) }
    far.onEnd = { [weak self] in self?.targetEnded($0) }
    return far
  }

  private func ask(_ far: any ByteStream, for request: RelayRequest, seenAt: [Endpoint] = []) {
    far.write(
      [StreamKind.relayed.rawValue]
        + RelayedRequest(topic: request.topic, opener: opener.node, use: request.use, seenAt: seenAt).encoded)
  }

  private func receiveFromTarget(_ bytes: UnsafeRawBufferPointer) {
    guard state == .asking else { return pass(bytes, 1) }
    far?.consumed(bytes.count)
    decoder.append(bytes)
    do throws(WireError) {
      guard let frame = try decoder.next() else { return }
      guard try RelayAnswer.decode(frame).status == .granted else { return refuse(.refused) }
      guard !isForLane else { return onEvent?(.agreed) ?? () }
      state = .open
      isGranted = true
      near.write(RelayAnswer(.granted, seenAt: target?.seenAt ?? []).encoded)
      let rest = decoder.takeRest()
      onEvent?(.granted)
      rest.withUnsafeBytes { pass($0, 1, areReleased: true) }
    } catch {
      refuse(.refused)
    }
  }

  /// Sends both nodes the token of their lane: the stream has no other purpose.
  func send(_ token: LaneToken) {
    guard state == .asking else { return }
    let streams = [near, far].compactMap(\.self)
    end {}
    for stream in streams { stream.sendLast(RelayToken(token).encoded) }
  }

  /// Tells the opener why there is no way to the target, and gives the stream up.
  func refuse(_ status: RelayStatus) {
    guard state == .reading || state == .asking else { return }
    onEvent?(.refused(status))
    let stream = near
    end { far?.reset() }
    stream.refuse(status)
  }

  // MARK: Bytes

  private func pass(_ bytes: UnsafeRawBufferPointer, _ index: Int, areReleased: Bool = false) {
    guard directions.indices.contains(index), !bytes.isEmpty else { return }
    directions[index].receive(bytes, areReleased: areReleased)
    if bytes.count < RelayDirection.bulk { turns?.add(directions[index]) } else { turns?.addBulk(directions[index]) }
    if waitingBytes > 0 { onEvent?(.waits) }
  }

  private func settle(_ index: Int) {
    guard directions.indices.contains(index) else { return }
    directions[index].settle()
    endIfDone()
  }

  private func unblock(_ index: Int) {
    guard directions.indices.contains(index) else { return }
    turns?.unblock(directions[index].sinkLink)
    endIfDone()
  }

  private func finish(_ index: Int) {
    guard directions.indices.contains(index) else { return }
    directions[index].finish()
    turns?.add(directions[index])
    endIfDone()
    onEvent?(.waits)
  }

  // MARK: The end

  private func openerEnded(_ end: LinkStreamEnd) {
    guard end == .finished, state != .reading else { return giveUp() }
    finish(0)
  }

  private func targetEnded(_ end: LinkStreamEnd) {
    guard state != .asking else { return refuse(end == .linkClosed ? .notLinked : .refused) }
    guard end == .finished else { return giveUp() }
    finish(1)
  }

  private func endIfDone() {
    guard state == .open, directions.allSatisfy(\.isOver) else { return }
    end {}
  }

  /// Resets the stream at both ends. Idempotent.
  func giveUp() {
    end {
      near.reset()
      far?.reset()
    }
  }

  /// When one of the nodes will have taken nothing for `limit`, or sent nothing since the other has finished; nil if
  /// neither is waited for.
  func stallDeadline(_ limit: Duration, at now: Instant) -> Instant? {
    var deadlines = directions.compactMap { $0.stallDeadline(limit, at: now) }
    // A stream does not report that a node which has finished gives it up as well.
    if directions.contains(where: \.hasSourceEnded), let heardAt = directions.map(\.heardAt).max() {
      deadlines.append(heardAt + limit)
    }
    return deadlines.min()
  }

  private func end(_ body: () -> Void) {
    guard state != .over else { return }
    state = .over
    for stream in [near, far].compactMap(\.self) {
      (stream.onData, stream.onEnd, stream.onWritable, stream.onSent) = (nil, nil, nil, nil)
    }
    for direction in directions {
      turns?.remove(direction)
      direction.close()
    }
    body()
    let tell = onEvent
    onEvent = nil
    tell?(.ended)
  }
}

extension ByteStream {
  /// Answers with this status, and gives the stream up once the answer has left.
  func refuse(_ status: RelayStatus) { sendLast(RelayAnswer(status).encoded) }

  /// Sends a frame, and gives the stream up once it has left.
  func sendLast(_ frame: [UInt8]) {
    onData = { [weak self] in self?.consumed($0.count) }
    write(frame)
    guard queuedBytes > 0 else { return reset() }
    onSent = { [weak self] in
      guard let self, queuedBytes == 0 else { return }
      reset()
    }
  }
}
