import Crypto
import Discovery
import EventLoop
import Links
import Primitives
import TLS
import Testing
import Wire

/// A member of a channel that follows the protocol but makes false claims. It runs in the test's process.
actor HostilePeer {
  /// How it reacts to requests for the bytes of the file that it claims to have.
  enum Giving: CaseIterable, Sendable {
    case nothing
    /// Reports again and again that the request has to wait.
    case notices
    /// Grants the request and sends a byte now and then.
    case drips
  }

  /// How it introduces itself.
  enum Standing: CaseIterable, Sendable {
    /// It proves that it knows the channel.
    case member
    /// It proves nothing.
    case stranger
  }

  nonisolated let loop: EventLoop
  nonisolated let key: SigningKey
  private let node: NodeID
  private let host: LinkHost
  private let standing: Standing
  /// Answers whatever the daemon asks, instead of `giving`.
  private var extremes: ExtremeMessages?
  private let secret: ChannelSecret
  private let claimedSize: UInt64
  private let giving: Giving
  private var link: Link?
  private var control: (any ByteStream)?
  private var decoder = FrameDecoder(limit: WireLimits.frame)
  private var streams: [any ByteStream] = []
  private var timers: [Timer] = []
  private(set) var hasJoined = false
  private(set) var isCutOff = false
  /// Number of queries answered with its claim.
  private(set) var claims = 0
  /// Number of requests for bytes received.
  private(set) var requests = 0
  /// What has arrived on the streams that it opened, and whether each has ended.
  private var received: [(bytes: [UInt8], hasEnded: Bool)] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// A peer that claims to have every file, with this many bytes.
  ///
  /// - Parameter extremes: what it answers instead, to whatever the daemon asks.
  init(
    channel: ByteString, as standing: Standing = .member, claiming size: UInt64 = 1_000, giving: Giving = .nothing,
    key: SigningKey? = nil, extremes: ExtremeMessages? = nil
  ) throws {
    loop = try EventLoop(name: "hostile")
    let key = try key ?? SigningKey.generate()
    self.key = key
    self.standing = standing
    self.extremes = extremes
    node = key.publicKey
    host = LinkHost(loop: loop, identity: try TLSIdentity(key: key))
    secret = ChannelSecret(name: channel, cost: ChannelSecret.cost)
    claimedSize = size
    self.giving = giving
  }

  /// Links to a daemon and proves membership.
  func join(port: UInt16) async throws {
    link = try await dial(try #require(Endpoint(host: "127.0.0.1", port: port)))
    link?.onClose = { _ in self.isCutOff = true }
    link?.onStream = { stream in self.accept(stream) }
    let stream = try #require(link?.openStream())
    stream.onData = { bytes in self.listen(bytes, on: stream) }
    control = stream
    stream.write([StreamKind.control.rawValue])
    try say(.hello(hello()))
    try await until { self.hasJoined }
  }

  private func dial(_ endpoint: Endpoint) async throws -> Link {
    // The link belongs to the loop on which this actor runs.
    nonisolated(unsafe) var result: Result<Link, KacheryError>?
    await withCheckedContinuation { continuation in
      _ = host.dial(to: endpoint, expected: nil, timeout: .seconds(10)) {
        result = $0
        continuation.resume()
      }
    }
    return try #require(result).get()
  }

  func hello() throws -> Hello {
    Hello(
      label: "hostile", software: "hostile 1", isBootstrap: false, clock: WallTime(milliseconds: 1_700_000_000_000),
      proofs: standing == .member ? [try channel] : [])
  }

  nonisolated var topic: Topic { secret.topic }

  /// What stands for the channel in its requests.
  var channel: ChannelProof {
    get throws { secret.proof(by: node, binding: try #require(link).channelBinding) }
  }

  func say(_ message: ControlMessage) throws { try #require(control).write(message.encoded) }

  /// Sends arbitrary bytes on the control stream.
  func sayBytes(_ bytes: [UInt8]) throws { try #require(control).write(bytes) }

  // MARK: Requests of the daemon

  private func listen(_ bytes: UnsafeRawBufferPointer, on stream: any ByteStream) {
    stream.consumed(bytes.count)
    decoder.append(bytes)
    while let frame = (try? decoder.next()) ?? nil {
      switch (try? ControlMessage.decode(frame)) ?? nil {
      case .hello: hasJoined = true
      case .find(let request):
        claims += 1
        if let answer = extremes?.found(request.id) { return stream.write(answer) }
        stream.write(
          ControlMessage.found(FindAnswer(id: request.id, .has(FindAnswer.File(size: claimedSize)))).encoded)
      default: break
      }
    }
  }

  private func accept(_ stream: any ByteStream) {
    streams.append(stream)
    var frames = FrameDecoder(limit: WireLimits.frame)
    var kind: StreamKind?
    stream.onData = { bytes in
      stream.consumed(bytes.count)
      var rest = bytes[...]
      if kind == nil { kind = rest.popFirst().flatMap { StreamKind(rawValue: $0) } }
      if let kind, let answer = self.extremes?.answer(kind) { return stream.write(answer) }
      frames.append(rest)
      while kind == .fetch, let frame = (try? frames.next()) ?? nil, let request = try? FetchRequest.decode(frame) {
        self.give(request, on: stream)
      }
    }
  }

  private func give(_ request: FetchRequest, on stream: any ByteStream) {
    requests += 1
    switch giving {
    case .nothing: break
    case .notices:
      timers.append(
        loop.after(.zero, repeating: .milliseconds(100)) {
          try? self.say(.waiting(WaitingNotice(hash: request.hash, others: 3)))
        })
    case .drips:
      stream.write(FetchReply(count: request.range.count).encoded)
      timers.append(loop.after(.zero, repeating: .milliseconds(100)) { stream.write([0]) })
    }
  }

  // MARK: Its own requests

  /// Opens a stream and sends these bytes on it; returns the stream's number.
  func open(_ bytes: [UInt8]) throws -> Int {
    let stream = try #require(link).openStream()
    let number = received.count
    received.append(([], false))
    streams.append(stream)
    stream.onData = { bytes in
      stream.consumed(bytes.count)
      self.received[number].bytes += bytes
    }
    stream.onEnd = { _ in self.received[number].hasEnded = true }
    stream.write(bytes)
    return number
  }

  /// The bytes that have arrived on a stream that it opened, once there are `count` of them.
  func answer(on number: Int, of count: Int) async throws -> [UInt8] {
    try await until { self.received[number].bytes.count >= count }
    return received[number].bytes
  }

  // MARK: Attacks

  /// Sends bytes on the control stream unless others still wait there.
  func sayIfThereIsRoom(_ bytes: [UInt8]) {
    if control?.isWritable == true { control?.write(bytes) }
  }

  /// Opens a stream, and resets it.
  func openAndReset(_ bytes: [UInt8]) {
    guard let stream = link?.openStream() else { return }
    stream.write(bytes)
    stream.reset()
  }

  /// Opens a stream and never takes what arrives on it.
  func openWithoutReader(_ bytes: [UInt8]) throws {
    let stream = try #require(link).openStream()
    stream.onData = { _ in }
    stream.write(bytes)
    streams.append(stream)
  }

  func ping() { link?.measureRoundTrip() }

  /// Does something again and again until it is stopped.
  func every(_ period: Duration, _ body: @escaping (isolated HostilePeer) -> Void) {
    timers.append(loop.after(period, repeating: period) { body(self) })
  }

  // MARK: Waiting

  /// Returns once the daemon has ended the stream or the link.
  func waitForEnd(of number: Int?) async throws {
    try await until { self.isCutOff || number.map { self.received[$0].hasEnded } == true }
  }

  /// Waits, ten seconds at most.
  private func until(_ isThere: () -> Bool) async throws {
    for _ in 0..<1_000 where !isThere() { try await Task.sleep(for: .milliseconds(10)) }
    guard isThere() else { throw KacheryError(.timedOut, "The peer waited in vain.") }
  }

  /// Returns once it was asked for bytes, or has claimed a size for which no disk has room, or was disconnected because
  /// no such size is possible.
  func waitUntilBelieved() async throws {
    let hasRoom = claimedSize <= 1 << 30
    try await until { self.isCutOff || self.claims > 0 && (!hasRoom || self.requests > 0) }
  }

  func stop() async {
    for timer in timers { timer.cancel() }
    host.close()
    await loop.shutdown()
  }
}
