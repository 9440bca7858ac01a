import APIModel
import ContentStore
import Crypto
import Diagnostics
import Discovery
import EventLoop
import FeedStore
import Feeds
import HTTP
import Links
import LocalAPI
import NodeCore
import Primitives
import QUIC
import Settings
import TLS

/// One node: what `NodeCore` decides, carried out by parts that each own their state. `README.md` lists them.
///
///     idle ──start()──▶ running ──stop()──▶ stopping (no new clients, goodbyes, loads end) ──▶ stopped
actor Node {
  nonisolated let loop: EventLoop
  let configuration: DaemonConfiguration
  let log: Log
  let counters = NodeMetrics()
  let storage: NodeStorage
  let startedAt: Instant
  let startTime = WallTime.now

  let driver: CoreDriver
  let links: PeerLinks
  let proxies: ProxyDialer
  private let localNetworks: LocalNetworkWatch
  private let localAnnouncements: LocalAnnouncements
  private let portMapper: PortMapper
  let downloads: Downloads
  let uploads: Uploads
  let lookups: FileLookups
  let requests: FileRequests
  let batches: BatchLoads
  let replicaRequests: ReplicaRequests
  private let replicas: ReplicaKeeper
  let feedRequests: FeedRequests
  let publishedNames = PublishedNames()
  let replicator: FeedReplicator
  let channels: JoinedChannels
  private let introduced: IntroducedNodes
  let maintenance: StoreMaintenance
  let storeSize: StoreSize
  let stopRequest: StopRequest

  private var servers: APIServers?
  /// Where the node accepts links; empty before it has started.
  private(set) var listening: [Endpoint] = []
  /// The port of the local API; nil before the node has started.
  private var apiPort: UInt16?
  /// Where the node accepts links by QUIC; nil if it does not.
  private(set) var listeningForQUIC: Endpoint?
  /// Where the node accepts WebSockets; nil if it does not.
  private(set) var listeningForWebSockets: Endpoint?
  /// Whether the owner lets the router be asked to lead a port to this node.
  private(set) var allowsMapping: Bool
  private var isStopping = false

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Takes over the storage directory, and creates it if it is missing. Changes nothing in it.
  ///
  /// - Throws: `alreadyRunning` if another daemon has the directory or the identity, `badKey`, or another
  ///   error that prevents use of the directory.
  init(_ configuration: DaemonConfiguration, loop: EventLoop, log: Log) throws(KacheryError) {
    self.configuration = configuration
    self.loop = loop
    self.log = log
    allowsMapping = configuration.allowsMapping(ReloadedSettings())
    let storage = try NodeStorage(configuration, log: log)
    self.storage = storage
    startedAt = loop.now
    let (node, store) = (storage.identity.key.publicKey, storage.store)
    let limits = TransferLimits(configuration)
    var core = NodeCoreConfiguration(
      key: storage.identity.key, label: configuration.label, software: "kachery \(APIVersion.daemon)",
      isBootstrap: configuration.isBootstrap, relays: configuration.relays,
      bootstraps: configuration.bootstraps, webSocketBootstraps: configuration.webSocketBootstraps)
    core.punches = configuration.punches
    core.guessesPorts = configuration.guessesPorts
    core.usesQUIC = configuration.usesUDP
    core.prefersQUIC = configuration.usesUDP && !TCPConnection.canPreferThroughput
    driver = CoreDriver(NodeCore(core, random: SecureRandom()), loop: loop)
    proxies = ProxyDialer(ProxySettings(ProxyRules(configuration)))
    links = PeerLinks(
      try TLSIdentity(key: storage.identity.key),
      quic: configuration.usesUDP ? try QUICIdentity(key: storage.identity.key) : nil, driver: driver, loop: loop,
      log: log,
      relayLimit: RateLimit(limits.relay), relayMetrics: counters.relaying, proxies: proxies)
    localNetworks = LocalNetworkWatch(driver: driver, loop: loop)
    localAnnouncements = LocalAnnouncements(driver: driver, loop: loop, log: log)
    portMapper = PortMapper(driver: driver, loop: loop, log: log)
    downloads = Downloads(store, driver: driver, loop: loop, metrics: counters, rate: limits.download)
    uploads = Uploads(store, loop: loop, metrics: counters, limits: limits)
    maintenance = StoreMaintenance(store, configuration, loop: loop, log: log)
    storeSize = StoreSize(loop: loop) { () throws(KacheryError) in try store.usage() }
    lookups = FileLookups(store, driver: driver, loop: loop, log: log, cancellation: maintenance.cancellation)
    requests = FileRequests(store, driver: driver, loop: loop, metrics: counters, node: node)
    batches = BatchLoads(requests, store, driver: driver, loop: loop, metrics: counters)
    replicaRequests = ReplicaRequests(driver: driver)
    replicas = ReplicaKeeper(
      store, requests: requests, folder: "\(configuration.storageDirectory)/kachery-node", loop: loop, log: log)
    replicas.limit = limits.replicas
    feedRequests = FeedRequests(driver: driver, metrics: counters)
    replicator = FeedReplicator(storage.feeds, driver: driver, loop: loop, log: log)
    let channelFolder = "\(configuration.storageDirectory)/kachery-node/channels"
    let secrets = ChannelSecrets(folder: channelFolder)
    introduced = IntroducedNodes(secrets, driver: driver, log: log, isBootstrap: configuration.isBootstrap)
    channels = JoinedChannels(
      ChannelSource(folder: channelFolder, proxies: proxies.settings), secrets,
      storage.mutables,
      configured: configuration.channels, node: node, driver: driver, loop: loop, log: log)
    stopRequest = StopRequest(loop: loop)
  }

  /// The node's ID.
  nonisolated var id: NodeID { storage.identity.key.publicKey }

  nonisolated var feeds: FeedStore { storage.feeds }

  // MARK: Life

  /// Listens for nodes and for clients, and joins the channels.
  ///
  /// - Returns: the port of the local API.
  func start() async throws(KacheryError) -> UInt16 {
    connectParts()
    // Before anything is dialed: kachery.yaml may name a proxy.
    note(proxies.settings.rules)
    portMapper.use(mappingMethods)
    // What an option says holds even if kachery.yaml cannot be read.
    if let names = configuration.introduced { introduced.use(names, on: loop) }
    await withCheckedContinuation { continuation in maintenance.readLimits { continuation.resume() } }
    // Before anyone is introduced.
    await withCheckedContinuation { continuation in introduced.whenSettled { continuation.resume() } }
    let endpoint = try listenForLinks()
    try storage.writeNodeID()
    let ports = listening.map(\.port)
    let announced = configuration.announcedHost.map { host in ports.compactMap { Endpoint(host: host, port: $0) } }
    let quicPort = listeningForQUIC?.port
    driver.input {
      $0.setAddresses(
        announced ?? [], port: endpoint.port, furtherPorts: Array(ports.dropFirst()), quicPort: quicPort, at: $1)
    }
    if announcesByMulticast {
      localAnnouncements.start(listening: endpoint.host)
    }
    localNetworks.start(listening: endpoint.host, announces: configuration.announcesLocalAddresses)
    let members = storage.memberAddresses.read(log)
    driver.input { $0.restore(members, at: $1) }
    await withCheckedContinuation { continuation in channels.start { continuation.resume() } }
    // A client that gets an answer finds the channels joined.
    let servers = try await APIServers(for: self, loop: loop, log: log)
    self.servers = servers
    maintenance.start()
    let port = await servers.port
    apiPort = port
    return port
  }

  /// Listens for links on every configured port; returns the address for links that this node also dials from.
  private func listenForLinks() throws(KacheryError) -> Endpoint {
    let host = configuration.listenHost
    let endpoint = try listen(configuration.port, keeping: storage.chosenPort)
    listening =
      [endpoint] + (try links.listen(host: host, ports: configuration.furtherPorts.filter { $0 != endpoint.port }))
    listeningForQUIC = listenForQUIC(endpoint.port)
    listeningForWebSockets = try links.listen(
      host: host, ports: configuration.webSocketPort.map { [$0] } ?? [], over: .webSocket
    ).first
    return endpoint
  }

  /// Listens for links by QUIC, without which a node reaches fewer others, and still works.
  ///
  /// - Parameter port: the port for links by TCP.
  private func listenForQUIC(_ port: UInt16) -> Endpoint? {
    guard configuration.reasonAgainstQUIC(hasProxy: hasProxy) == nil else { return nil }
    do throws(KacheryError) {
      return try listen(configuration.udpPort ?? port, over: .quic, keeping: storage.chosenUDPPort)
    } catch {
      log.warning("Links by QUIC are not accepted: \(error)", .noQUIC, about: [.error(error.code.rawValue)])
      return nil
    }
  }

  /// Listens on the port of the configuration; if that is any free one, on that of the last run if it is still free.
  ///
  /// - Parameter chosen: where the port is kept.
  private func listen(
    _ port: UInt16, over kind: TransportKind = .tcp, keeping chosen: ChosenPort
  ) throws(KacheryError) -> Endpoint {
    let host = configuration.listenHost
    guard port == 0 else { return try links.listen(host: host, ports: [port], over: kind)[0] }
    let kept = chosen.value
    if let kept, let endpoint = try? links.listen(host: host, port: kept, over: kind) { return endpoint }
    let endpoint = try links.listen(host: host, port: 0, over: kind)
    if let kept {
      log.warning(
        "Port \(kept), on which this node accepted links before, is in use; it now uses port \(endpoint.port). Whatever "
          + "leads to the old one, such as a router or a firewall, has to be changed. --port names a port.",
        .portChanged, about: [.port(endpoint.port)])
    }
    do throws(KacheryError) { try chosen.keep(endpoint.port) } catch {
      log.warning("The next start will use another port for links: \(error)")
    }
    return endpoint
  }

  /// The protocols by which the router is asked.
  private var mappingMethods: [PortMappingProtocol] {
    configuration.mappingMethods(hasProxy: hasProxy, isAllowed: allowsMapping)
  }

  /// Whether other nodes are reached through a proxy.
  var hasProxy: Bool { proxies.settings.rules.proxy != .none }

  private var announcesByMulticast: Bool {
    configuration.reasonAgainstMulticast(hasProxy: hasProxy) == nil
  }

  /// Reloads the channels, the mutables and kachery.yaml after the owner has changed something.
  func reload() async {
    channels.reload()
    await withCheckedContinuation { continuation in maintenance.reload { continuation.resume() } }
  }

  /// Whether this node serves files.
  var isReady: Bool { servers != nil && !listening.isEmpty && maintenance.hasListed && !isStopping }

  /// Every setting with its value in this daemon.
  var settings: SettingsReport {
    var actual: [SettingName: String] = [
      .storageDirectory: configuration.storageDirectory, .configurationDirectory: configuration.configurationDirectory,
      .label: configuration.label,
    ]
    if let port = apiPort { actual[.apiPort] = String(port) }
    if configuration.layers.text(.port) == nil || configuration.port == 0, let port = listening.first?.port {
      actual[.port] = String(port)
    }
    return maintenance.report(actual)
  }

  /// Stops everything in order, and waits for it to end. Idempotent.
  func stop() async {
    guard !isStopping else { return }
    isStopping = true
    portMapper.stop()
    var members: [RememberedMember] = []
    driver.input { members = $0.membersToSave(at: $1) }
    driver.stop()
    channels.stop()
    localNetworks.stop()
    localAnnouncements.stop()
    // Before the API ends: a verification that continues would keep its client waiting.
    maintenance.stop()
    storage.store.endLongWork()
    feedRequests.stop()
    await servers?.stop()
    batches.stop()
    replicaRequests.stop()
    requests.stop()
    let files = downloads.stop()
    uploads.stop()
    links.stop()
    _ = try? await loop.onPool { [storage, log, members] in
      Self.save(members, in: storage, log)
      storage.feeds.close()
      for file in files { file.close() }
      storage.store.index?.close()
    }
    stopRequest.resumeAll()
  }

  // MARK: Effects of the core

  private func connectParts() {
    driver.onEffect = { self.perform($0) }
    localNetworks.onInterfaces = { [localAnnouncements, portMapper] interfaces in
      localAnnouncements.follow(interfaces)
      portMapper.follow(interfaces)
    }
    links.onStream = { [uploads] kind, stream, first, link, lane in
      if kind == .batch {
        uploads.serveBatches(stream, first, on: link, lane)
      } else {
        uploads.serveFetches(stream, first, on: link, lane)
      }
    }
    links.onClosed = { [uploads] link in uploads.linkEnded(link) }
    downloads.lanes = { [links] id in links.lanes(id) }
    downloads.proof = { [driver] topic, link in driver.read { $0.proof(of: topic, on: link) } }
    downloads.isCarrying = { [links] id in links.isCarrying(id) }
    uploads.onMessage = { [links] link, message in links.sendToNode(message, of: link) }
    uploads.account = { [links] link in links.account(link) }
    uploads.origin = { [links] link in links.origin(link) }
    uploads.mayServe = { [driver] link, channel in driver.read { $0.mayServe(link, over: channel) } }
    uploads.arriving = { [downloads] hash in downloads.arriving(hash) }
    lookups.arriving = { [downloads] hash in downloads.arriving(hash) }
    lookups.serves = { [uploads] in uploads.limits.maximumTransfers > 0 }
    requests.topic = { [channels] name throws(KacheryError) in try channels.topic(named: name) }
    batches.newDownload = { node, topic in self.newBatch(from: node, over: topic) }
    replicas.onAnswer = { [driver] order, state, reason in
      driver.input { core, _ in core.replica(order, is: state, reason) }
    }
    replicator.onKept = { messages, key in self.noteAppended(messages, to: key) }
    proxies.onProblem = { [log] in log.warning($0, .proxyUnusable) }
    maintenance.onProxies = { rules in
      guard rules != self.proxies.settings.rules else { return }
      self.proxies.settings.rules = rules
      self.note(rules)
      self.portMapper.use(self.mappingMethods)
      if !self.listening.isEmpty { self.driver.input { $0.dialingChanged(at: $1) } }
    }
    maintenance.onPortMapping = { isAllowed in
      self.allowsMapping = isAllowed
      self.portMapper.use(self.mappingMethods)
    }
    maintenance.onIntroduced = { self.introduced.use($0, on: self.loop) }
    maintenance.onLimits = { [uploads, downloads, links, replicas] limits in
      replicas.limit = limits.replicas
      links.relayLimit.schedule = limits.relay
      uploads.limits = limits
      downloads.setRate(limits.download)
    }
  }

  /// A download of many small files; nil if no peer can be asked now.
  private func newBatch(from node: NodeID?, over topic: Topic?) -> BatchDownload? {
    let peers = { [driver] in driver.read { $0.batchSources(node: node, topic: topic) } }
    guard !peers().isEmpty else { return nil }
    return downloads.newBatch { [batches] in (peers(), batches.count) }
  }

  private func perform(_ effect: NodeEffect) {
    switch effect {
    case .link(let effect): links.perform(effect)
    case .local(let effect): localAnnouncements.perform(effect)
    case .mapPort(let number, let question): portMapper.ask(number, question)
    case .lookUp(let id, let hash, let wants): lookups.lookUp(id, hash, wantsManifest: wants)
    case .download(let effect): downloads.perform(effect)
    case .fetch(let fetch, let download, let link): downloads.fetch(fetch, download, over: link)
    case .willFetch(let count, let download, let node, let link):
      downloads.willFetch(count, download, from: node, over: link)
    case .waiting(let node): batches.waits(for: node)
    case .client(let effect): requests.perform(effect)
    case .replica(let effect): replicaRequests.perform(effect)
    case .keepReplica(let order): replicas.keep(order)
    case .failed(let load, let error): requests.failed(load, error)
    case .feedWork(let work): replicator.perform(work)
    case .feedClient(let effect): feedRequests.perform(effect)
    case .feedEvent(let event): replicator.note(event)
    case .event(let event): note(event)
    case .save(let members): save(members)
    }
  }

  private func save(_ members: [RememberedMember]) {
    loop.work({ [storage, log] in Self.save(members, in: storage, log) }, then: {})
  }

  private static func save(_ members: [RememberedMember], in storage: NodeStorage, _ log: Log) {
    do throws(KacheryError) { try storage.memberAddresses.write(members) } catch {
      log.warning("The addresses of members are not kept for the next start: \(error)")
    }
  }

  private func note(_ rules: ProxyRules) {
    switch rules.proxy {
    case .none: break
    case .usable(let proxy): log.info("Other nodes are reached through the proxy \(proxy).")
    case .unusable(let problem): log.warning(problem, .proxyUnusable)
    }
  }

  private func note(_ event: NodeEvent) {
    counters.links.add(driver.read { $0.linkedCount } - counters.links.current)
    if case .misbehaved = event { counters.piecesRefused.add() }
    log.write(event)
  }
}
