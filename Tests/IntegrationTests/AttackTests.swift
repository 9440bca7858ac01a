import APIModel
import Foundation
import Glibc
import HTTP
import Primitives
import Synchronization
import TestSupport
import Testing
import Wire

/// Attacks by real peers and clients on a real daemon, which goes on serving honest ones. `make attack` lets each last
/// longer and shows the figures (`docs/security.md`).
@Suite(.serialized, .timeLimit(.minutes(5))) struct AttackTests {
  /// How long each attack lasts, in seconds; nil in `make test`.
  private static let seconds = ProcessInfo.processInfo.environment["KACHERY_ATTACK_SECONDS"].flatMap(Double.init)
  private static let isShort = seconds == nil
  /// What each peer does in a millisecond, if the daemon takes it.
  private static let rate = isShort ? 4 : 64
  /// Most bytes that an attack may add to the log.
  private static let log = 64 << 10

  private let pair: AttackedPair

  init() throws { pair = try AttackedPair() }

  @Test(arguments: Attack.allCases) func honestNodesGoOn(attack: Attack) async throws {
    let victim = pair.victim
    let path = try pair.folder.file("shared", bytes: 20_000_000)
    let key = FileKey(hash: try victim.store(path).hash)
    let before = (memory: try victim.peakMemory(), processor: try victim.processorSeconds())
    let feed = try attack == .feeds ? victim.createFeed(of: 20_000) : nil
    let (bait, beginning) = (PortWatch(), ContinuousClock.now)
    var peers: [HostilePeer] = []
    for _ in 0..<attack.members(isShort: Self.isShort) {
      let peer = try HostilePeer(channel: AttackedPair.channel)
      try await peer.join(port: victim.linkPort)
      if let deed = deed(attack, key, feed, bait.port, try await peer.channel) {
        try await peer.attack(by: deed, rate: Self.rate)
      }
      peers.append(peer)
    }
    let isForAPI = attack == .halfRequests || attack == .silentClients
    let connections = (0..<attack.connections).map { _ in
      HalfConnection(to: isForAPI ? victim.apiPort : victim.linkPort, saying: firstBytes(attack))
    }
    let watch = AnswerWatch(of: victim)
    async let slowest = onOwnThread { watch.slowestAnswer(within: Self.seconds ?? 0.5) }
    let bodies = attack == .largeBodies ? LargeBodies(for: victim, bytes: Self.isShort ? 1 << 20 : 60 << 20) : nil
    async let sent: Void = onOwnThread { bodies?.send(within: Self.seconds ?? 0.5) }
    // Honest: the other node loads from the attacked one, over the link that the attacked one has opened.
    let loader = Loader(daemon: pair.honest)
    let start = ContinuousClock.now
    let loaded = try await onOwnThread { try loader.load(key) }
    let time = ContinuousClock.now - start
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: loaded))
    let wait = try await slowest
    try await sent
    let growth = try victim.peakMemory() - before.memory
    let processor = try victim.processorSeconds() - before.processor
    for connection in connections { connection.close() }
    for peer in peers { await peer.stop() }
    try await pair.expectToWork(70_000)
    if RunningDaemon.sanitizerOptions.isEmpty { #expect(growth < attack.memory, "\(growth) bytes more") }
    // The daemon dials addresses at this machine that members at this machine name, but not often, see `DialBudget`.
    let dials = bait.connections()
    #expect(Double(dials) < 128 + 8 * ((ContinuousClock.now - beginning) / .seconds(1) + 1), "\(dials) connections")
    #expect(try victim.log().utf8.count < Self.log)
    print(
      "attack: \(attack.rawValue): load \(time.formatted), slowest answer \(wait.formatted), "
        + "memory +\(growth >> 20) MiB, "
        + "processor \((processor * 100).rounded() / 100) s, knocks \(dials)")
  }

  private func deed(
    _ attack: Attack, _ key: FileKey, _ feed: SubfeedKey?, _ port: UInt16, _ channel: ChannelProof
  ) -> HostilePeer.Deed? {
    let hash = key.hash
    switch attack {
    case .channelLists: return .message(ControlMessage.channels([]).encoded)
    case .inventedNodes: return .inventedNodes(port)
    case .openAndReset: return .openAndReset([StreamKind.fetch.rawValue])
    case .pings: return .pings
    case .uploads:
      let request = FetchRequest(channel: channel, hash: hash, range: ByteRange(whole: 20_000_000))
      return .takeNothing(12, [StreamKind.fetch.rawValue] + request.encoded)
    case .batches:
      let request = BatchRequest(
        channel: channel, hashes: [ContentHash](repeating: hash, count: BatchRequest.maximumFiles))
      return .takeNothing(Self.isShort ? 2 : 12, [StreamKind.batch.rawValue] + request.encoded)
    case .feeds:
      guard let feed else { return nil }
      let requests = (0..<(Self.isShort ? 10 : 100)).flatMap {
        FeedRequest.subscribe(id: $0, channel, feed, position: 0).encoded
      }
      return .takeNothing(1, [StreamKind.feed.rawValue] + requests)
    case .identities, .halfHandshakes, .halfRequests, .silentClients, .largeBodies: return nil
    case .questions:
      return .message(ControlMessage.find(FindRequest(id: 1, channel: channel, hash: ContentHash.of([1]))).encoded)
    }
  }

  private func firstBytes(_ attack: Attack) -> [UInt8] {
    switch attack {
    case .halfHandshakes: [0x16, 3, 1, 2, 0]
    case .halfRequests: Array("GET /probe HTTP/1.1\r\nHost: 127".utf8)
    default: []
    }
  }
}

/// A connection that says something and then nothing more.
private struct HalfConnection {
  private let descriptor: Int32

  init(to port: UInt16, saying bytes: [UInt8]) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in(loopbackPort: port)
    let result = withGenericPointer(to: &address) { connect(descriptor, $0, $1) }
    if result == 0, !bytes.isEmpty { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
  }

  func close() { _ = Glibc.close(descriptor) }
}

extension sockaddr_in {
  fileprivate init(loopbackPort port: UInt16) {
    self.init()
    sin_family = sa_family_t(AF_INET)
    sin_port = port.bigEndian
    sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  }
}

private func withGenericPointer<Result>(
  to address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
) -> Result {
  withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
  }
}

/// A port at which attackers want the daemon to knock.
private struct PortWatch {
  private let descriptor: Int32
  let port: UInt16

  init() {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var address = sockaddr_in(loopbackPort: 0)
    withGenericPointer(to: &address) { pointer, size in
      var length = size
      _ = bind(descriptor, pointer, size)
      _ = listen(descriptor, 4_096)
      _ = getsockname(descriptor, pointer, &length)
    }
    self.descriptor = descriptor
    port = UInt16(bigEndian: address.sin_port)
  }

  /// Closes the port, and returns how many connections had arrived.
  func connections() -> Int {
    defer { _ = close(descriptor) }
    var count = 0
    while true {
      let connection = accept(descriptor, nil, nil)
      guard connection >= 0 else { return count }
      _ = close(connection)
      count += 1
    }
  }
}

/// A program that stores lists of millions of numbers.
private struct LargeBodies: Sendable {
  private let request: HTTPRequest

  init(for daemon: RunningDaemon, bytes: Int) {
    let list = JSONValue.array([JSONValue](repeating: .integer(0), count: bytes / 2))
    var request = daemon.request("/mutable/set", ["key": "large", "value": list])
    request.timeout = .seconds(60)
    self.request = request
  }

  func send(within seconds: Double) {
    let end = ContinuousClock.now + .seconds(seconds)
    repeat { _ = try? HTTPClient.fetch(request, limit: 1 << 16) } while ContinuousClock.now < end
  }
}

/// Asks a daemon again and again, as a program on its machine would.
private struct AnswerWatch: Sendable {
  private let url: String

  init(of daemon: RunningDaemon) { url = "http://127.0.0.1:\(daemon.apiPort)/probe" }

  /// The slowest answer; a question that failed counts like its time-out.
  func slowestAnswer(within seconds: Double) -> Duration {
    let end = ContinuousClock.now + .seconds(seconds)
    var slowest: Duration = .zero
    repeat {
      let start = ContinuousClock.now
      var request = HTTPRequest("GET", url)
      request.timeout = .seconds(30)
      let hasAnswered = (try? HTTPClient.fetch(request, limit: 1 << 16)) != nil
      slowest = max(slowest, hasAnswered ? ContinuousClock.now - start : .seconds(30))
      usleep(20_000)
    } while ContinuousClock.now < end
    return slowest
  }
}

extension Duration {
  fileprivate var formatted: String { "\((self / .milliseconds(1)).rounded() / 1_000) s" }
}
