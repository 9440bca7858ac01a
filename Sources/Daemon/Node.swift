import APIModel
import ContentStore
import Crypto
import Diagnostics
import Discovery
import EventLoop
import FeedStore
import Feeds
import Files
import Glibc
import Links
import LocalAPI
import NodeCore
import Primitives
import TLS
import Transfer
import Wire

/// One node: what `NodeCore` decides, carried out. It lives on one event loop, and everything of it that is not safe to
/// share lives there too.
///
///     idle ──start()──▶ running ──stop()──▶ stopping (no new clients, goodbyes, loads end) ──▶ stopped
actor Node {
  nonisolated let loop: EventLoop
  let configuration: DaemonConfiguration
  let log: Log
  let counters = NodeMetrics()
  let identity: NodeIdentity
  let store: ContentStore
  let mutables: MutableTable
  let feeds: FeedStore
  let channelSource: ChannelSource
  private let storageLock: LockFile

  var core: NodeCore
  /// What keeps to the rates that the owner allows, and gives peers their turns.
  let receiving: RateLimiter
  let uploads: Uploads
  var host: LinkHost?
  var api: LocalAPIServer?
  var remoteAPI: LocalAPIServer?
  var listening: Endpoint?
  var signals: [SignalWatch] = []
  private var wakeUp: Timer?
  private var refresher: Timer?
  private var isDraining = false
  private(set) var isStopping = false
  private var stopWaiters: [CheckedContinuation<Void, Never>] = []
  let startedAt: Instant

  var links: [LinkID: LinkConnection] = [:]
  var dials: [DialID: LinkAttempt] = [:]
  var lastLink: UInt64 = 0
  var incoming: [DownloadID: IncomingFile] = [:]
  var wanted: Set<DownloadID> = []
  var turns = KeyedQueue()
  var clients: [FetchClientKey: FetchClient] = [:]
  var loads: [LoadID: LoadWaiter] = [:]
  var finds: [FindID: FindWaiter] = [:]
  var batches: [UInt64: BatchLoadSession] = [:]
  var lastClient: UInt64 = 0
  var joined: [JoinedChannel] = []
  var documents: [ByteString: ChannelDocument] = [:]
  var maintenance = StoreMaintenance()
  var manifests = ManifestQueue()
  var watchers = FeedWatchers()
  var messageChecks: [MessageBatchID: MessageCheck] = [:]
  var checkOrder: [SubfeedKey: [MessageBatchID]] = [:]
  var seekers: [FeedSeekID: CheckedContinuation<FeedWhereabouts, Never>] = [:]
  var submitters: [SubmitID: CheckedContinuation<KacheryError?, Never>] = [:]

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Takes over the storage directory, which is made if it is missing. Nothing in it is changed.
  ///
  /// - Throws: `alreadyRunning` where another daemon has the directory or the identity, `badKey`, and whatever keeps
  ///   the directory from being used.
  init(_ configuration: DaemonConfiguration, loop: EventLoop, log: Log) throws(KacheryError) {
    self.configuration = configuration
    self.loop = loop
    self.log = log
    let storage = configuration.storageDirectory
    try FileSystem.createFolder("\(storage)/kachery-node", permissions: 0o755)
    storageLock = try LockFile("\(storage)/kachery-node/daemon.lock", protecting: "The storage directory \(storage)")
    identity = try NodeIdentity(
      storageDirectory: storage, configurationDirectory: configuration.configurationDirectory)
    store = try ContentStore(
      directory: storage, log: log, indexOwner: identity.key.publicKey,
      clientScope: try Self.clientScope(of: configuration))
    mutables = try MutableTable(directory: storage)
    feeds = try FeedStore(directory: storage, mutables: mutables)
    channelSource = ChannelSource(folder: "\(storage)/kachery-node/channels")
    core = NodeCore(
      NodeCoreConfiguration(
        key: identity.key, label: configuration.label, software: "kachery \(APIVersion.daemon)",
        isBootstrap: configuration.isBootstrap, bootstraps: configuration.bootstraps),
      random: SecureRandom())
    let limits = TransferLimits(configuration)
    receiving = RateLimiter(RateLimit(limits.download), loop: loop)
    uploads = Uploads(store, loop: loop, metrics: counters, limits: limits)
    startedAt = loop.now
  }

  /// The node's ID.
  nonisolated var id: NodeID { identity.key.publicKey }

  var now: Timestamps {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamps(instant: loop.now, wall: WallTime(seconds: time.tv_sec, nanoseconds: time.tv_nsec))
  }

  // MARK: Life

  /// Listens for nodes and for clients, joins the channels, and gives back the port of the local API.
  func start() async throws(KacheryError) -> UInt16 {
    let tls = try TLSIdentity(key: identity.key)
    let host = LinkHost(loop: loop, identity: tls)
    host.onLink = { link in self.linkOpened(link, dial: nil) }
    host.onRefused = { [log] endpoint, error in
      log.debug("A connection from \(endpoint?.description ?? "somewhere") came to nothing: \(error)")
    }
    self.host = host
    uploads.onMessage = { link, message in self.links[link]?.send(message) }
    uploads.mayServe = { link, topic in self.core.mayServe(link, over: topic) }
    uploads.arriving = { self.arriving($0) }
    let endpoint = try Self.listen(host, configuration)
    listening = endpoint
    let announced = configuration.announcedHost.flatMap { Endpoint(host: $0, port: endpoint.port) }
    try writeNodeID()
    let port = try await startAPI()
    core.setAddresses(announced.map { [$0] } ?? [], port: endpoint.port, at: now)
    await readLimits()
    await readJoinedChannels()
    refresher = loop.after(Self.channelPeriod, repeating: Self.channelPeriod) { self.refreshChannels() }
    startMaintenance()
    drain()
    return port
  }

  private static func listen(_ host: LinkHost, _ configuration: DaemonConfiguration) throws(KacheryError) -> Endpoint {
    do throws(KacheryError) {
      return try host.listen(host: configuration.listenHost, port: configuration.port)
    } catch {
      // A kernel without IPv6 refuses `::`.
      guard configuration.listenHost == "::", error.code != .alreadyRunning else { throw error }
      return try host.listen(host: "0.0.0.0", port: configuration.port)
    }
  }

  /// Clients compare this file with what `/probe` says before they trust the directory to be this daemon's.
  private func writeNodeID() throws(KacheryError) {
    let path = "\(configuration.storageDirectory)/kachery-node-id"
    let text = Array(id.hex.utf8)
    guard (try? FileSystem.read(path, limit: 1_024)) != text else { return }
    try FileSystem.replace(path, with: text, permissions: 0o644)
  }

  /// The group whose members may use the daemon; nil where only its own user may.
  private static func group(of configuration: DaemonConfiguration) throws(KacheryError) -> SocketAccess.Group? {
    guard let name = configuration.authorizedGroup else { return nil }
    guard let group = FileSystem.group(named: name) else {
      throw KacheryError(
        .badConfiguration, "There is no group '\(name)' on this machine; name another with --auth-group.")
    }
    return SocketAccess.Group(number: group, name: name)
  }

  private static func clientScope(of configuration: DaemonConfiguration) throws(KacheryError) -> ClientScope {
    try group(of: configuration).map { .group($0.number) } ?? .ownUser
  }

  private func startAPI() async throws(KacheryError) -> UInt16 {
    let group = try Self.group(of: configuration)
    let storage = configuration.storageDirectory
    let token = try ClientToken(path: "\(storage)/client-auth", group: group?.number)
    let socket = SocketAccess(path: "\(storage)/\(APIVersion.socketName)", owner: FileSystem.user, group: group)
    let (host, wanted) = (configuration.apiHost, configuration.apiPort)
    let api: LocalAPIServer
    do throws(KacheryError) {
      api = try LocalAPIServer(
        loop: loop, node: self, host: host, port: wanted, access: .storageDirectory(token), socket: socket,
        policy: AccessPolicy(), log: log)
    } catch {
      throw try await loop.onPool { PortHolder.named(error, host: host, port: wanted) }
    }
    self.api = api
    try await api.start()
    remoteAPI = try await startRemoteAPI()
    return await api.port
  }

  /// Ends everything in order. Waits until it is done. May be called again.
  func stop() async {
    guard !isStopping else { return }
    isStopping = true
    wakeUp?.cancel()
    refresher?.cancel()
    maintenance.timer?.cancel()
    // Before the clients go: a check that goes on would keep one waiting.
    maintenance.cancellation.cancel()
    store.endLongWork()
    watchers.endAll()
    endFeedSearches()
    await api?.stop()
    await remoteAPI?.stop()
    host?.close()
    for attempt in dials.values { attempt.cancel() }
    for batch in batches.values { batch.close() }
    for load in loads.values { load.end(.failure(KacheryError(.cancelled, "The node is stopping."))) }
    for find in finds.values { find.continuation.finish() }
    for client in clients.values { client.close() }
    uploads.stop()
    for connection in links.values { connection.close(Goodbye(.stopping, "the node is stopping")) }
    let files = Array(incoming.values)
    _ = try? await loop.onPool { [store, feeds] in
      feeds.close()
      for file in files { file.close() }
      store.index?.close()
    }
    let waiters = stopWaiters
    stopWaiters = []
    for waiter in waiters { waiter.resume() }
  }

  /// Waits until a client, or a signal, asks for the end.
  func untilStopRequested() async {
    guard !isStopRequested else { return }
    await withCheckedContinuation { stopWaiters.append($0) }
  }

  private var isStopRequested = false

  /// Somebody wants the node to stop.
  func requestStop() {
    isStopRequested = true
    let waiters = stopWaiters
    stopWaiters = []
    // The answer to the client that asked must get out first.
    _ = loop.after(.milliseconds(50)) { for waiter in waiters { waiter.resume() } }
  }

  // MARK: Driving the core

  /// Carries out what the core wants, and wakes it when it wants to be woken. To be called after every input.
  func drain() {
    guard !isDraining, !isStopping else { return }
    isDraining = true
    while let effect = core.nextEffect() { perform(effect) }
    isDraining = false
    wakeUp?.cancel()
    wakeUp = core.wakeAt.map { due in
      loop.after(due - loop.now) {
        self.core.wake(at: self.now)
        self.drain()
      }
    }
  }

  /// Hands an input to the core.
  func input(_ body: (inout NodeCore, Timestamps) -> Void) {
    body(&core, now)
    drain()
  }
}

/// One download from one node.
struct FetchClientKey: Hashable {
  let download: DownloadID
  let node: NodeID
}
