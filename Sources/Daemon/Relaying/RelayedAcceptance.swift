import EventLoop
import Links
import Primitives
import Wire

/// Accepts links that other nodes open through a relay, and lanes of them, on streams of the link to that relay. Bound to
/// the loop.
final class RelayedAcceptance {
  /// How long the relay may take to send its request, and then the token of a lane.
  static let requestTime: Duration = .seconds(10)
  /// Most streams of one link whose requests or tokens have not arrived; further ones are reset.
  static let maximumWaiting = 64

  /// Whether this node wants a link from the node that the request names, through the relay at the other end of this link.
  var wants: (_ request: RelayedRequest, _ relay: LinkID) -> Bool = { _, _ in false }
  /// Whether this node wants a lane of its link to the node that the request names, through the relay at the other end of
  /// this link.
  var wantsLane: (_ request: RelayedRequest, _ relay: LinkID) -> Bool = { _, _ in false }
  /// Receives the token of a lane that this node wants.
  var onToken: (LaneToken, _ request: RelayedRequest, _ relay: LinkID) -> Void = { _, _, _ in }
  /// Receives the pipe of a link that this node wants. Its handshake, in which this side is the listener, has yet to prove
  /// who is at the other end.
  var onPipe: (StreamPipe, _ request: RelayedRequest, _ relay: LinkID) -> Void = { pipe, _, _ in pipe.close() }

  private struct Waiting {
    let stream: any ByteStream
    let relay: LinkID
    let deadline: Timer
    var decoder = FrameDecoder(limit: RelayFrame.limit)
    /// The request for a lane, if only its token is missing.
    var request: RelayedRequest?
  }

  private let loop: EventLoop
  private let requestTime: Duration
  private var waiting: [ObjectIdentifier: Waiting] = [:]

  init(loop: EventLoop, requestTime: Duration = RelayedAcceptance.requestTime) {
    self.loop = loop
    self.requestTime = requestTime
  }

  /// Streams whose requests or tokens have not arrived.
  var waitingCount: Int { waiting.count }

  /// A peer has opened a stream of kind `relayed`.
  ///
  /// - Parameter first: the bytes after the stream's kind that have arrived, which no longer count against the window.
  func accept(_ stream: any ByteStream, first: [UInt8], over relay: LinkID) {
    loop.preconditionOnLoop()
    guard waiting.values.count(where: { $0.relay == relay }) < Self.maximumWaiting else { return stream.reset() }
    let key = wait(for: stream, relay)
    first.withUnsafeBytes { receive($0, key) }
  }

  private func wait(for stream: any ByteStream, _ relay: LinkID, _ request: RelayedRequest? = nil) -> ObjectIdentifier {
    let key = ObjectIdentifier(stream)
    let deadline = loop.after(requestTime) { [weak self] in self?.forget(key)?.reset() }
    waiting[key] = Waiting(stream: stream, relay: relay, deadline: deadline, request: request)
    stream.onData = { [weak self, weak stream] bytes in
      stream?.consumed(bytes.count)
      self?.receive(bytes, key)
    }
    stream.onEnd = { [weak self] _ in self?.forget(key)?.reset() }
    return key
  }

  private func receive(_ bytes: UnsafeRawBufferPointer, _ key: ObjectIdentifier) {
    guard let stream = waiting[key]?.stream, let relay = waiting[key]?.relay else { return }
    waiting[key]?.decoder.append(bytes)
    do throws(WireError) {
      guard let frame = try waiting[key]?.decoder.next() else { return }
      if let request = waiting[key]?.request {
        let token = try RelayToken.decode(frame).token
        forget(key)?.reset()
        return onToken(token, request, relay)
      }
      let request = try RelayedRequest.decode(frame)
      let rest = waiting[key]?.decoder.takeRest() ?? []
      forget(key)
      answer(request, on: stream, with: rest, relay)
    } catch {
      forget(key)?.reset()
    }
  }

  private func answer(_ request: RelayedRequest, on stream: any ByteStream, with rest: [UInt8], _ relay: LinkID) {
    if request.use == RelayFrame.lane { return answerLane(request, on: stream, relay) }
    guard request.use == RelayFrame.link else { return stream.refuse(.doesNotRelay) }
    guard wants(request, relay) else { return stream.refuse(.refused) }
    stream.write(RelayAnswer(.granted).encoded)
    onPipe(StreamPipe(over: stream, first: rest, loop: loop), request, relay)
  }

  private func answerLane(_ request: RelayedRequest, on stream: any ByteStream, _ relay: LinkID) {
    guard wantsLane(request, relay) else { return stream.refuse(.refused) }
    stream.write(RelayAnswer(.granted).encoded)
    _ = wait(for: stream, relay, request)
  }

  /// Stops waiting for this stream's request or token, and returns the stream.
  @discardableResult
  private func forget(_ key: ObjectIdentifier) -> (any ByteStream)? {
    guard let forgotten = waiting.removeValue(forKey: key) else { return nil }
    forgotten.deadline.cancel()
    (forgotten.stream.onData, forgotten.stream.onEnd) = (nil, nil)
    return forgotten.stream
  }

  /// Gives up every stream whose request or token has not arrived.
  func stop() { for key in Array(waiting.keys) { forget(key)?.reset() } }
}
