import APIModel
import Crypto
import Diagnostics
import EventLoop
import LocalAPI
import Primitives

/// A node that answers immediately, and a server in front of it, on a separate loop.
actor FakeNode: LocalNode {
  let loop: EventLoop
  let id: NodeID
  nonisolated let metrics = Metrics()
  private var mutables: [JSONValue: JSONValue] = [:]
  private(set) var cancelledLoads = 0
  private(set) var wasStopped = false
  var appended: [JSONObject] = []
  var names: [ContentHash: String] = [:]
  var rules = AccessRules()
  private var waiters: [CheckedContinuation<Void, Never>] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(loop: EventLoop) throws {
    self.loop = loop
    id = try SigningKey.generate().publicKey
  }

  var probe: ProbeReply {
    ProbeReply(
      node: id, isBootstrap: false, joinedChannels: [JoinedChannel(address: "<b>lab</b>")], storageDirectory: "/data")
  }

  func gauges(namingChannels: Bool) async -> [MetricFamily] {
    [
      MetricFamily("kachery_channels_named", "Whether channels are named.", namingChannels ? 1 : 0),
      MetricFamily("kachery_things", "Things.", by: "kind", [("\"a\"\n", 1)]),
    ]
  }

  var status: NodeStatus {
    let peer = NodeStatus.Peer(
      node: id, label: "<script>alert(1)</script><\u{301}", address: "10.0.0.1:1", isBootstrap: true)
    var status = NodeStatus(label: "fake & more", listening: "port 1", uptime: 90, peers: [peer])
    status.gateway = Endpoint("127.0.0.1:8080").map { endpoint in
      GatewayState(endpoint: endpoint, channels: [GatewayState.Channel(name: "<b>lab</b>", isServed: true)])
    }
    return status
  }

  var transfers: [TransferState] {
    var load = TransferState(.load, number: "1")
    (load.name, load.bytes, load.bytesTotal, load.nodes) = ("<i>a</i>.dat", 5, 10, [id])
    return [load]
  }

  func explain(_ uri: String) async throws(KacheryError) -> Diagnosis {
    Diagnosis(.notFound, "No node has \(uri).", evidence: ["one", "two"], advice: ["Wait."])
  }

  func checkUp() async -> Checkup {
    var checkup = Checkup()
    checkup.disk = Checkup.Disk(directory: "/data", available: 1_000)
    return checkup
  }

  func meeting(in channel: ByteString?, refreshes: Bool) async throws(KacheryError) -> MeetingState {
    guard channel != "absent" else { throw KacheryError(.notFound, "This node has not joined the channel.") }
    let state = channel.map { Checkup.JoinedChannelState(address: $0.text, membership: refreshes ? .listed : .unread) }
    return MeetingState(node: id, label: "fake", isBootstrap: true, ownAddresses: ["192.0.2.1:14507"], channel: state)
  }

  var shownSettings: JSONValue { ["file": "/data/kachery.yaml", "settings": [], "problems": []] }

  /// What the checks of its health answer.
  private(set) var isReady = true

  func isHealthy() async -> Bool { isReady }

  func setReady(_ isReady: Bool) { self.isReady = isReady }

  func replicate(_ request: ReplicationRequest) -> AsyncThrowingStream<ReplicationEvent, any Error> {
    AsyncThrowingStream { continuation in
      for hash in request.hashes {
        continuation.yield(.answer(hash, id, label: "lab", state: "kept", reason: ""))
      }
      continuation.yield(.finished)
      continuation.finish()
    }
  }

  func requestStop() { wasStopped = true }

  func storeFile(at path: String) async throws(KacheryError) -> StoreReply {
    guard path == "/there" else { throw KacheryError(.notFound, "There is no file '\(path)'.") }
    return StoreReply(hash: ContentHash.of([]), manifest: nil)
  }

  func linkFile(_ request: LinkRequest) async throws(KacheryError) -> StoreReply {
    StoreReply(hash: ContentHash.of([]), manifest: nil)
  }

  func beginUpload() async throws(KacheryError) -> any Upload { FakeUpload() }

  func findFile(_ request: FindFileRequest) -> AsyncStream<FoundFile> {
    let found = FoundFile(node: id, key: request.key, size: 5)
    return AsyncStream { continuation in
      continuation.yield(found)
      continuation.finish()
    }
  }

  /// A file whose hash begins with `ff` never arrives; any other is available.
  func loadFile(_ request: LoadRequest) -> AsyncThrowingStream<LoadEvent, any Error> {
    AsyncThrowingStream { continuation in
      continuation.onTermination = { end in
        guard case .cancelled = end else { return }
        Task { await self.loadCancelled() }
      }
      continuation.yield(.progress(loaded: 1, total: 2, node: nil))
      switch request.key.hash.bytes.first {
      case 0xff: break
      case 0xee: continuation.finish(throwing: KacheryError(.notFound, "No node has it."))
      default:
        continuation.yield(.finished(path: "/data/file"))
        continuation.finish()
      }
    }
  }

  private func loadCancelled() {
    cancelledLoads += 1
    for waiter in waiters { waiter.resume() }
    waiters = []
  }

  func untilCancelled() async {
    while cancelledLoads == 0 { await withCheckedContinuation { waiters.append($0) } }
  }

  func openFile(_ request: DownloadRequest) async throws(KacheryError) -> any FileBytes { FakeBytes() }

  func openRange(_ request: ReadRequest) async throws(KacheryError) -> any FileBytes {
    guard request.start == 0 else { throw KacheryError(.badRequest, "There is no such range.") }
    return FakeBytes(count: request.end ?? 5)
  }

  func mutable(_ key: JSONValue) async throws(KacheryError) -> JSONValue? { mutables[key] }

  func setMutable(_ key: JSONValue, _ value: JSONValue, update: Bool) async throws(KacheryError) -> Bool {
    guard update || mutables[key] == nil else { return false }
    mutables[key] = value
    return true
  }

  func deleteMutable(_ key: JSONValue) async throws(KacheryError) { mutables[key] = nil }
}

/// Hashes an upload.
private actor FakeUpload: Upload {
  private var digest = SHA1Digest()

  func write(_ bytes: [UInt8]) async throws(KacheryError) { bytes.withUnsafeBytes { digest.update($0) } }

  func finish() async throws(KacheryError) -> StoreReply { StoreReply(hash: digest.finish(), manifest: nil) }

  func cancel() async {}
}

/// A large file of one repeated byte.
private struct FakeBytes: FileBytes {
  var count: UInt64 = 30_000_000

  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8] {
    [UInt8](repeating: 7, count: Int(min(256 << 10, count - offset)))
  }
}
