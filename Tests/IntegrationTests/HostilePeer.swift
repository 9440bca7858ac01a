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

  nonisolated let loop: EventLoop
  private let node: NodeID
  private let host: LinkHost
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
  init(channel: ByteString, claiming size: UInt64 = 1_000, giving: Giving = .nothing) throws {
    loop = try EventLoop(name: "hostile")
    let key = try SigningKey.generate()
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
      proofs: [try channel])
  }

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
