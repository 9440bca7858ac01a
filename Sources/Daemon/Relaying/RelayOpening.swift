import Links
import Primitives
import Wire

/// The opener's side of a relayed link: a stream that has asked a relay for a way to a node. Bound to the loop.
///
/// It carries the bytes of the link in both directions as any stream does. Bytes may be written before the answer, at
/// most `RelayFrame.earlyBytes`, so that a handshake costs no more round trips than without a relay.
final class RelayOpening: ByteStream {
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onEnd: ((LinkStreamEnd) -> Void)?

  private let stream: any ByteStream
  /// Where the relay sees the target, once it has answered.
  private(set) var seenAt: [Endpoint] = []
  private var decoder = FrameDecoder(limit: RelayFrame.limit)
  /// Called once with the relay's answer; nil if the stream ended without one, or its bytes are none.
  private var onAnswer: ((RelayStatus?) -> Void)?
  private var released = ReleasedBytes()

  /// Asks for a way over this channel to the target.
  ///
  /// - Parameters:
  ///   - open: opens a stream of the link to the relay.
  ///   - onAnswer: called once with the relay's answer; nil if the stream ended without one. Without a way, the stream
  ///     ends right after it.
  init(
    to target: NodeID, over topic: Topic, open: StreamOpener, onAnswer: @escaping (RelayStatus?) -> Void
  ) {
    self.onAnswer = onAnswer
    stream = open(RelayWindow.first)
    stream.onData = { [weak self] in self?.receive($0) }
    stream.onEnd = { [weak self] in self?.ended($0) }
    stream.write([StreamKind.relay.rawValue] + RelayRequest(topic: topic, target: target).encoded)
  }

  var onWritable: (() -> Void)? {
    get { stream.onWritable }
    set { stream.onWritable = newValue }
  }

  var onSent: (() -> Void)? {
    get { stream.onSent }
    set { stream.onSent = newValue }
  }

  var isWritable: Bool { stream.isWritable }
  var queuedBytes: Int { stream.queuedBytes }

  func write(_ bytes: [UInt8]) { stream.write(bytes) }
  func finish() { stream.finish() }

  func consumed(_ count: Int) {
    let counted = released.counted(of: count)
    if counted > 0 { stream.consumed(counted) }
  }

  func reset() {
    (onData, onEnd, onAnswer) = (nil, nil, nil)
    stream.reset()
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    guard onAnswer != nil else { return onData?(bytes) ?? stream.consumed(bytes.count) }
    stream.consumed(bytes.count)
    decoder.append(bytes)
    do throws(WireError) {
      guard let frame = try decoder.next() else { return }
      let answer = try RelayAnswer.decode(frame)
      let status = answer.status
      seenAt = answer.seenAt
      let rest = decoder.takeRest()
      answered(status)
      guard status == .granted else { return giveUp() }
      released.add(rest.count)
      if !rest.isEmpty { rest.withUnsafeBytes { onData?($0) } }
    } catch {
      answered(nil)
      giveUp()
    }
  }

  private func answered(_ status: RelayStatus?) {
    let tell = onAnswer
    onAnswer = nil
    tell?(status)
  }

  private func giveUp() {
    let tell = onEnd
    reset()
    tell?(.reset)
  }

  private func ended(_ end: LinkStreamEnd) {
    answered(nil)
    let tell = onEnd
    onEnd = nil
    tell?(end)
  }
}
