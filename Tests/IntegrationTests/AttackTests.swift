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
  enum Attack: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case questions = "questions for random files"
    case channelLists = "empty channel lists"
    case inventedNodes = "records of nodes that do not exist"
    case openAndReset = "streams opened and reset"
    case pings = "pings"
    case uploads = "uploads that nothing is taken of"
    case batches = "batches of one file that nothing is taken of"
    case halfHandshakes = "half handshakes"
    case halfRequests = "half requests to the local API"
    case silentClients = "silent connections to the local API"

    var testDescription: String { rawValue }
    /// Connections without a peer behind them; 0 for an attack by members of the channel.
    var connections: Int {
      switch self {
      case .halfHandshakes: 400
      case .halfRequests, .silentClients: 1_200
      default: 0
      }
    }
  }

  /// How long each attack lasts, in seconds; nil in `make test`.
  private static let seconds = ProcessInfo.processInfo.environment["KACHERY_ATTACK_SECONDS"].flatMap(Double.init)
  /// Peers that send as much as they can. Debug builds on a busy machine would measure only the machine: in `make test`
  /// a single one sends less.
  private static let flooders = seconds == nil ? 1 : 3
  private static let rate = seconds == nil ? 4 : 64
  /// Most memory that an attack may cost, in bytes.
  private static let memory = 192 << 20

  private let pair: AttackedPair

  init() throws { pair = try AttackedPair() }

  @Test(arguments: Attack.allCases) func honestNodesGoOn(attack: Attack) async throws {
    let victim = pair.victim
    let path = try pair.folder.file("shared", bytes: 20_000_000)
    let key = FileKey(hash: try victim.store(path).hash)
    let before = (memory: try victim.peakMemory(), processor: try victim.processorSeconds())
    var peers: [HostilePeer] = []
    for _ in 0..<members(attack) {
      let peer = try HostilePeer(channel: AttackedPair.channel)
      try await peer.join(port: victim.linkPort)
      try await peer.attack(by: deed(attack, key, peer.channel), rate: Self.rate)
      peers.append(peer)
    }
    let isForAPI = attack == .halfRequests || attack == .silentClients
    let connections = (0..<attack.connections).map { _ in
      HalfConnection(to: isForAPI ? victim.apiPort : victim.linkPort, saying: firstBytes(attack))
    }
    let watch = AnswerWatch(of: victim)
    async let slowest = onOwnThread { watch.slowestAnswer(within: Self.seconds ?? 0.5) }
    // Honest: the other node loads from the attacked one, over the link that the attacked one has opened.
    let loader = Loader(daemon: pair.honest)
    let start = ContinuousClock.now
    let loaded = try await onOwnThread { try loader.load(key) }
    let time = ContinuousClock.now - start
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: loaded))
    let wait = try await slowest
    let growth = try victim.peakMemory() - before.memory
    let processor = try victim.processorSeconds() - before.processor
    for connection in connections { connection.close() }
    for peer in peers { await peer.stop() }
    try await pair.expectToWork(70_000)
    if RunningDaemon.sanitizerOptions.isEmpty { #expect(growth < Self.memory, "\(growth) bytes more") }
    print(
      "attack: \(attack.rawValue): load \(time.formatted), slowest answer \(wait.formatted), "
        + "memory +\(growth >> 20) MiB, processor \(processor) s")
  }

  private func members(_ attack: Attack) -> Int {
    guard attack.connections == 0 else { return 0 }
    return attack == .uploads || attack == .batches ? 30 : Self.flooders
  }

  private func deed(_ attack: Attack, _ key: FileKey, _ channel: ChannelProof) -> HostilePeer.Deed {
    let hash = key.hash
    switch attack {
    case .channelLists: return .message(ControlMessage.channels([]).encoded)
    case .inventedNodes: return .inventedNodes
    case .openAndReset: return .openAndReset([StreamKind.fetch.rawValue])
    case .pings: return .pings
    case .uploads:
      let request = FetchRequest(channel: channel, hash: hash, range: ByteRange(whole: 20_000_000))
      return .takeNothing(12, [StreamKind.fetch.rawValue] + request.encoded)
    case .batches:
      let request = BatchRequest(
        channel: channel, hashes: [ContentHash](repeating: hash, count: BatchRequest.maximumFiles))
      return .takeNothing(Self.seconds == nil ? 2 : 12, [StreamKind.batch.rawValue] + request.encoded)
    default:
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
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result == 0, !bytes.isEmpty { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
  }

  func close() { _ = Glibc.close(descriptor) }
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
