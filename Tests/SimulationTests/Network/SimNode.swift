import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Transfer
import Wire

/// A node in the simulated network: the daemon's core, with its effects carried out in memory.
final class SimNode {
  let name: String
  let endpoint: Endpoint
  var core: NodeCore
  var store = MemoryStore()
  var conduct = Conduct.honest
  /// Whether no node can dial it.
  var isBehindNAT = false
  /// Its reason for refusing a file that it has claimed to have.
  var refusal = Refusal.notHere
  /// Its reason for files that it does not have.
  var absence = Refusal.notHere
  /// The disk's error for writes; nil if there is room.
  var fullDisk: KacheryError?
  /// Bytes available on its disk; nil for unlimited.
  var diskRoom: UInt64?
  /// The times of requests for pieces, by the requested node.
  private(set) var requests: [NodeID: [Instant]] = [:]
  /// The error of its clock.
  var clockError: Duration = .zero
  /// The time that it takes to send a block.
  var blockTime: Duration = .milliseconds(5)
  /// Bytes per second that it sends in total; nil if each stream has its own block time.
  var uploadRate: Int?
  private var isGivingUntil = Instant(nanoseconds: 0)
  /// Bytes per block: few, so that links break within a piece.
  var blockSize = 600
  /// Whether it reads the bytes that it requested; if not, its peers can send only a few blocks.
  var takesBytes = true
  /// The channels that it has joined.
  private(set) var channels: [Channel] = []
  private(set) lazy var feeds = SimFeeds(self, network)
  /// The batches of its clients.
  private(set) var batches: [SimBatch] = []
  /// The scheduler of its uploads.
  private(set) lazy var uploads = SimUploads(self, network)
  private(set) var isRunning = true
  /// How many times its process was restarted: work of an earlier process has no effect.
  private(set) var life = 0
  private(set) var outcomes: [LoadID: Result<Void, KacheryError>] = [:]
  private(set) var found: [Source] = []
  /// Nodes that its clients were told to wait for, because they serve others first.
  private(set) var waitedFor: Set<NodeID> = []
  private(set) var events: [NodeEvent] = []
  /// The addresses in the latest record of each node.
  private(set) var announced: [NodeID: [Address]] = [:]
  var learnt: Set<NodeID> { Set(announced.keys) }
  private(set) var effectCount = 0
  /// What it answers to members that ask it to keep copies.
  var replicaAnswers: [ReplicaAnswer.State] = [.loading, .kept]
  /// The copies that it was asked to keep.
  var replicaOrders: [ReplicaOrder] = []
  /// What it has learned of copies at other nodes.
  private(set) var replicaEffects: [ReplicaEffect] = []
  /// Bytes of files that have arrived, useful or not.
  var receivedBytes = 0

  /// The machine on which it runs, if the network is simulated down to TCP.
  var edge: SimEdge?
  let router = SimRouter()
  /// Where it claims to see every other node; nil if it tells the truth.
  var claimedPlace: Endpoint?
  unowned let network: SimNetwork
  private var wanted: [LoadID: ContentHash] = [:]
  private(set) var links: [LinkID: SimLink] = [:]
  /// The links that the core prefers.
  var preferred: [NodeID: LinkID] = [:]
  /// How often it was changed from one link to another that were both up, for each node.
  var changes: [NodeID: [Instant]] = [:]
  var isMeasuring = false
  private var cancelled: Set<DialID> = []
  private(set) var streams: [StreamKey: SimStream] = [:]
  private var lastLink: UInt64 = 0
  private var lastLoad: UInt64 = 0
  private var isDraining = false
  private var wakeNumber = 0
  private var idleWakes = 0
  /// The members that it has stored on its disk.
  var savedMembers: [RememberedMember] = []

  init(_ network: SimNetwork, _ name: String, _ endpoint: Endpoint, _ core: NodeCore) {
    self.network = network
    self.name = name
    self.endpoint = endpoint
    self.core = core
  }

  var id: NodeID { core.node }

  /// Nodes that this one has penalized.
  var liars: Set<NodeID> {
    Set(events.compactMap { if case .misbehaved(let node, _) = $0 { node } else { nil } })
  }

  func isLinked(to other: SimNode) -> Bool { core.activePeers.contains { $0.node == other.id } }

  // MARK: The user

  func start(_ channels: [Channel]) {
    // Behind an edge only others can see its address.
    let announced = edge == nil ? [endpoint] : []
    input { core, now in core.setAddresses(announced, port: self.endpoint.port, at: now) }
    if let place = network.multicast?.place(of: self) {
      input { core, now in core.setAnnouncementPlaces([place], at: now) }
    }
    join(channels)
  }

  func join(_ channels: [Channel]) {
    self.channels = channels
    input { core, now in core.setChannels(channels, at: now) }
    guard isRunning else { return }
    for (key, stream) in streams {
      if let topic = stream.openTopic, let server = network.node(key.node), !mayAsk(server, over: topic) {
        network.complain("\(name) still fetches from \(server.name), which it may not ask")
      }
    }
    feeds.checkSubscriptions()
  }

  func link(_ link: LinkID) -> SimLink? { links[link] }

  func peer(of link: LinkID) -> SimNode? { links[link]?.other(self).node }

  /// A client loads many small files.
  func loadBatch(_ hashes: [ContentHash]) -> SimBatch {
    let batch = SimBatch(self, network, hashes)
    batches.append(batch)
    batch.start()
    return batch
  }

  func load(_ key: FileKey, from node: NodeID? = nil) -> LoadID {
    lastLoad += 1
    let id = LoadID(number: lastLoad)
    wanted[id] = key.hash
    transfer { $0.load(id, FileQuery(key: key, node: node), at: $1) }
    return id
  }

  func cancel(_ load: LoadID) { transfer { engine, _ in engine.cancel(load) } }

  func find(_ key: FileKey) {
    transfer { $0.find(FindID(number: 1), FileQuery(key: key), for: .seconds(5), at: $1) }
  }

  /// Ends the process and loses its state.
  func kill() {
    isRunning = false
    for id in links.keys.sorted(by: { $0.number < $1.number }) { links[id]?.cut() }
  }

  /// Starts a new process on the same disk. Loads of the old one are forgotten.
  func restart(with core: NodeCore, _ channels: [Channel]) {
    if isRunning { kill() }
    self.core = core
    life += 1
    links = [:]
    preferred = [:]
    changes = [:]
    isMeasuring = false
    cancelled = []
    for stream in streams.values { stream.close() }
    streams = [:]
    for batch in batches { batch.close() }
    batches = []
    feeds.restart()
    store.reopen()
    isRunning = true
    input { core, now in core.restore(self.savedMembers, at: now) }
    start(channels)
  }

  // MARK: Input

  /// The ID of the next link.
  func newLink() -> LinkID {
    lastLink += 1
    return LinkID(number: lastLink)
  }

  func linkOpened(_ id: LinkID, _ link: SimLink, _ facts: LinkFacts) {
    links[id] = link
    measure()
    after(link.latency * 2) { $0.measureNow([id]) }
    input { core, now in core.linkOpened(id, facts, at: now) }
  }

  func dialFailed(_ dial: DialID, _ address: Address) {
    let problem = DialProblem(address: address, reason: "it does not answer.")
    input { core, now in core.dialFailed(dial, problem, at: now) }
  }

  func hasCancelled(_ dial: DialID) -> Bool { cancelled.contains(dial) }

  func received(_ message: ControlMessage, on link: LinkID) {
    if case .presence(let records) = message {
      for record in records { announced[record.node] = record.addresses }
    }
    input { core, now in core.received(message, on: link, at: now) }
  }

  func tell(_ message: ControlMessage, over link: LinkID) { links[link]?.send(message, from: self) }

  func linkClosed(_ link: LinkID) {
    guard let gone = links.removeValue(forKey: link) else { return }
    if preferred[gone.other(self).node.id] == link { preferred[gone.other(self).node.id] = nil }
    feeds.linkClosed(link)
    for batch in batches { batch.linkClosed(link) }
    input { core, now in core.linkClosed(link, at: now) }
  }

  func received(_ count: UInt64, of fetch: FetchID) { transfer { $0.received(fetch, count, at: $1) } }

  func fetched(_ fetch: FetchID, _ outcome: FetchOutcome) {
    transfer { $0.fetched(fetch, outcome, at: $1) }
  }

  func input(_ body: (inout NodeCore, Timestamps) -> Void) {
    guard isRunning else { return }
    body(&core, now)
    drain()
  }

  func transfer(_ body: (inout TransferEngine, Instant) -> Void) { input { $0.transfer(at: $1, body) } }

  private func drain() {
    guard !isDraining else { return }
    isDraining = true
    while isRunning, let effect = core.nextEffect() {
      effectCount += 1
      if network.keepsTrace { network.note("\(name) \(effect)") }
      perform(effect)
    }
    isDraining = false
    if !core.keepsItsDeadlines { network.complain("\(name) keeps a deadline that is not what a walk finds") }
    scheduleWake()
  }

  private func scheduleWake() {
    wakeNumber += 1
    let number = wakeNumber
    guard let due = core.wakeAt else { return }
    network.clock.after(due - network.clock.now) { [self] in
      guard number == wakeNumber, isRunning else { return }
      let before = effectCount
      input { core, now in core.wake(at: now) }
      let isIdle = effectCount == before && core.wakeAt.map { $0 <= network.clock.now } ?? false
      idleWakes = isIdle ? idleWakes + 1 : 0
      if idleWakes > 3 {
        network.complain("\(name) wants to be woken again and again, and does nothing")
        isRunning = false
      }
    }
  }

  // MARK: Effects

  private func perform(_ effect: NodeEffect) {
    switch effect {
    case .link(.dial(let id, let address, let expected)): network.dial(self, id, address, expected)
    case .link(.cancelDial(let id)):
      cancelled.insert(id)
      edge?.cancel(id)
    case .link(.send(let link, let message)):
      check(message, on: link)
      links[link]?.send(message, from: self)
    case .link(.close(let link, let goodbye)): links[link]?.close(goodbye, by: self)
    case .local(let effect): network.multicast?.perform(effect, of: self)
    case .mapPort(let number, let question): router.ask(number, question, for: self)
    case .lookUp(let lookup, let hash, _): soon { $0.core.lookedUp(lookup, $0.answer(for: hash)) }
    case .download(.readManifest(let id, _, let manifest)): soon { $0.readManifest(id, manifest) }
    case .download(.prepare(let id, let plan)):
      store.want(id)
      soon { node in
        guard node.store.wants(id) else { return }
        if let error = node.fullDisk { return node.transfer { $0.storageFailed(id, error, at: $1) } }
        if let room = node.diskRoom, plan.size > room {
          return node.transfer { $0.storageFailed(id, KacheryError(.diskFull, "There is no room."), at: $1) }
        }
        let verified = node.store.begin(id, plan)
        node.transfer { $0.prepared(id, verified: PieceSet(verified), at: $1) }
      }
    case .fetch(let fetch, let id, let link): self.fetch(fetch, id, link)
    case .willFetch, .client(.findEnded): break
    case .link(.probe), .link(.openSockets), .link(.keepSocket), .link(.closeSockets), .link(.dialFrom): break
    case .download(.abandon(let id, let node)):
      streams.removeValue(forKey: StreamKey(download: id, node: node))?.close()
    case .download(.complete(let id)):
      soon { node in
        let result = node.store.finish(id)
        node.transfer { $0.completed(id, result, at: $1) }
      }
    case .download(.discard(let id)):
      for (key, stream) in streams where key.download == id {
        stream.close()
        streams[key] = nil
      }
      store.end(id)
    case .keepReplica(let order): keep(order)
    case .replica(let effect): replicaEffects.append(effect)
    case .client(.found(_, let source)): found.append(source)
    case .client(.progress(let id, let loaded, let total, _)): check(id, loaded, total)
    case .waiting(let node): for batch in batches { batch.waits(for: node) }
    case .client(.waits(_, let node, _)): waitedFor.insert(node)
    case .client(.loaded(let id)): end(id, .success(()))
    case .failed(let id, let error): end(id, .failure(error))
    case .link(.prefer(let link)): prefer(link)
    case .link(.abandon(let link)): abandon(link)
    case .link(.observe(let id, let endpoint, let node)): network.observe(self, id, endpoint, node)
    case .link(.punch(let round)): punch(round)
    case .link(.cancelPunch(let peer)): edge?.puncher.cancel(peer)
    case .link(.feedRequest(let link, let request)):
      if let carrier = links[link] { feeds.send(request, over: link, carrier) }
    case .link(.feedAnswer(let link, let answer)):
      if let carrier = links[link] { feeds.send(answer, over: link, carrier) }
    case .link(.feedBytesReleased(let link, let bytes)): feeds.released(bytes, over: link)
    case .feedWork(let work): feeds.perform(work)
    case .feedClient(let effect): feeds.perform(effect)
    case .feedEvent(let event): feeds.note(event)
    case .event(let event): events.append(event)
    case .save(let members): savedMembers = members
    }
  }

  /// Checks that the reported progress is what is present: pieces in the store, and received bytes of incomplete
  /// pieces.
  private func check(_ load: LoadID, _ loaded: UInt64, _ total: UInt64) {
    guard let hash = wanted[load] else { return }
    let here = store.downloads(of: hash).map { id in
      let held = store.heldBytes(of: id)
      var begun = store.beginnings(of: id)
      for (key, stream) in streams where key.download == id {
        guard let (range, count) = stream.arriving, !store.hasArrived(range, of: id) else { continue }
        begun[range] = max(begun[range] ?? 0, count)
      }
      return held...held + begun.values.reduce(0, +)
    }
    let isWhole = store.files[hash].map { UInt64($0.count) == loaded } ?? false
    if !isWhole && !here.contains(where: { $0.contains(Int(loaded)) }) || loaded > total {
      network.complain("\(name) shows \(loaded) of \(total) bytes while \(here) are present")
    }
  }

  private func end(_ load: LoadID, _ outcome: Result<Void, KacheryError>) {
    if outcomes.updateValue(outcome, forKey: load) != nil { network.complain("\(name)'s load ended twice") }
  }

  /// Runs `body` a little later, as a disk would.
  func soon(_ body: @escaping (SimNode) -> Void) { after(.microseconds(network.random.number(0...2_000)), body) }

  /// Calls `body` after a delay, if the process still runs then.
  func after(_ delay: Duration, _ body: @escaping (SimNode) -> Void) {
    network.clock.after(delay) { [self, life] in
      guard isRunning, life == self.life else { return }
      body(self)
      drain()
    }
  }

  /// The time until this node has sent `count` more bytes.
  func timeToGive(_ count: Int) -> Duration {
    guard let uploadRate else { return blockTime }
    let start = max(isGivingUntil, network.clock.now)
    isGivingUntil = start + .microseconds(count * 1_000_000 / uploadRate)
    return isGivingUntil - network.clock.now
  }

  var now: Timestamps {
    let moment = network.now
    let wrong = Int64(moment.wall.milliseconds) + clockError.components.seconds * 1_000
    return Timestamps(instant: moment.instant, wall: WallTime(milliseconds: UInt64(max(0, wrong))))
  }

  private func fetch(_ fetch: PieceFetch, _ id: DownloadID, _ link: LinkID) {
    guard let server = peer(of: link) else {
      return transfer { $0.fetched(fetch.id, .disconnected, at: $1) }
    }
    requests[fetch.source.node, default: []].append(network.clock.now)
    if !mayAsk(server, over: fetch.source.topic) {
      network.complain("\(name) fetches from \(server.name), which it may not ask")
    }
    guard !store.hasArrived(fetch.piece.range, of: id) else {
      return transfer { $0.fetched(fetch.id, .verified, at: $1) }
    }
    let key = StreamKey(download: id, node: fetch.source.node)
    let stream = streams[key] ?? SimStream(network, opener: self, server: server, download: id)
    streams[key] = stream
    stream.request(fetch)
  }
}
