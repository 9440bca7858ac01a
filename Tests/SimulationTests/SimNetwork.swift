import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Transfer
import Wire

/// Nodes, links and a clock that jumps from event to event. Everything that happens follows from the seed.
final class SimNetwork {
  private struct Event {
    let at: Instant
    let number: Int
    let run: () -> Void
  }

  private struct SimLink {
    let ends: [(node: Int, link: LinkID)]
  }

  private(set) var nodes: [SimNode] = []
  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  private var events: [Event] = []
  private var lastEvent = 0
  private var lastLink: UInt64 = 0
  private var links: [SimLink] = []
  private var random: SeededRandom
  private let seed: Int
  private var wakes: [Int: Instant] = [:]
  /// When the last message of each link's end arrives.
  private var arrivals: [LinkID: Instant] = [:]
  /// Nodes that are off: nobody reaches them.
  var dead: Set<Int> = []

  init(seed: Int) {
    self.seed = seed
    random = SeededRandom(seed: UInt64(seed))
  }

  private var moment: Moment {
    Moment(instant: now, wall: WallTime(milliseconds: 1_700_000_000_000 + now.nanoseconds / 1_000_000))
  }

  private func endpoint(_ number: Int) -> Endpoint? { Endpoint(host: "node\(number)", port: 1) }

  /// Adds a node; the first is the bootstrap node of the others.
  func add(_ channels: [Channel]) throws -> SimNode {
    let number = nodes.count
    let node = try SimNode(
      number, isBootstrap: number == 0, bootstraps: number == 0 ? [] : [endpoint(0)].compactMap { $0 }, seed: seed)
    nodes.append(node)
    node.core.setAddresses([endpoint(number)].compactMap { $0 }, port: 1, at: moment)
    node.core.setChannels(channels, at: moment)
    settle(number)
    return node
  }

  /// Hands an input to a node's core and carries out what follows.
  func input(_ node: SimNode, _ body: (inout NodeCore, Moment) -> Void) {
    body(&node.core, moment)
    if let number = nodes.firstIndex(where: { $0 === node }) { settle(number) }
  }

  func after(_ delay: Duration, _ run: @escaping () -> Void) {
    lastEvent += 1
    events.append(Event(at: now + delay, number: lastEvent, run: run))
  }

  /// Runs until `isDone` or for `limit` of simulated time; says which.
  func run(for limit: Duration, until isDone: () -> Bool) -> Bool {
    let end = now + limit
    while !isDone() {
      let index = events.indices.min { (events[$0].at, events[$0].number) < (events[$1].at, events[$1].number) }
      guard let index, events[index].at <= end else {
        now = end
        return isDone()
      }
      let event = events.remove(at: index)
      now = event.at
      event.run()
    }
    return true
  }

  private func latency() -> Duration { .microseconds(Int.random(in: 200...20_000, using: &random)) }

  private func settle(_ number: Int) {
    while let effect = nodes[number].core.nextEffect() { perform(effect, number) }
    guard let due = nodes[number].core.wakeAt, wakes[number].map({ due < $0 || $0 <= now }) ?? true else { return }
    wakes[number] = due
    after(due - now) {
      self.wakes[number] = nil
      self.input(self.nodes[number]) { core, now in core.wake(at: now) }
    }
  }

  // MARK: Links

  private func dial(_ id: DialID, _ target: Endpoint, _ expected: NodeID?, from number: Int) {
    after(latency()) {
      let other = self.nodes.indices.first { self.endpoint($0) == target }
      guard let other, !self.dead.contains(other), !self.dead.contains(number), other != number,
        expected == nil || expected == self.nodes[other].id
      else { return self.input(self.nodes[number]) { core, now in core.dialFailed(id, at: now) } }
      self.lastLink += 2
      let ends = [(number, LinkID(number: self.lastLink)), (other, LinkID(number: self.lastLink + 1))]
      self.links.append(SimLink(ends: ends))
      let binding = SHA256Digest.of(Array("link \(self.lastLink)".utf8))
      for (index, dial) in [(0, id), (1, DialID?.none)] {
        let facts = LinkFacts(
          peer: self.nodes[ends[1 - index].0].id, dial: dial, binding: binding,
          remote: self.endpoint(ends[1 - index].0))
        self.input(self.nodes[ends[index].0]) { core, now in core.linkOpened(ends[index].1, facts, at: now) }
      }
    }
  }

  private func peer(of number: Int, _ link: LinkID) -> (node: Int, link: LinkID)? {
    for known in links {
      guard let index = known.ends.firstIndex(where: { $0.node == number && $0.link == link }) else { continue }
      return known.ends[1 - index]
    }
    return nil
  }

  /// Cuts every link between the two nodes.
  func cut(_ one: Int, _ other: Int) {
    let lost = links.filter { Set($0.ends.map(\.node)) == [one, other] }
    links.removeAll { Set($0.ends.map(\.node)) == [one, other] }
    for end in lost.flatMap(\.ends) {
      input(nodes[end.node]) { core, now in core.linkClosed(end.link, at: now) }
    }
  }

  /// Turns a node off, as a power cut would.
  func kill(_ number: Int) {
    dead.insert(number)
    for other in nodes.indices where other != number { cut(number, other) }
  }

  private func deliver(_ message: ControlMessage, from number: Int, _ link: LinkID) {
    guard peer(of: number, link) != nil, let frame = try? Self.frame(message) else { return }
    // A stream keeps the order of what is written to it, however long each message takes.
    let arrival = max(now + latency(), arrivals[link] ?? now)
    arrivals[link] = arrival
    after(arrival - now) {
      guard let end = self.peer(of: number, link), let message = try? ControlMessage.decode(frame) else { return }
      self.input(self.nodes[end.node]) { core, now in core.received(message, on: end.link, at: now) }
    }
  }

  /// Messages travel as bytes, so that whatever cannot be encoded is noticed.
  private static func frame(_ message: ControlMessage) throws -> Frame? {
    var decoder = FrameDecoder(limit: WireLimits.frame)
    decoder.append(message.encoded)
    return try decoder.next()
  }

  // MARK: Effects

  private func perform(_ effect: NodeEffect, _ number: Int) {
    let node = nodes[number]
    switch effect {
    case .dial(let id, let endpoint, let expected): dial(id, endpoint, expected, from: number)
    case .cancelDial, .event(.linked), .event(.unlinked), .event(.refused), .event(.clockSkew): break
    case .event(.lied(let liar, _)): node.lied.insert(liar)
    case .send(let link, let message): deliver(message, from: number, link)
    case .close(let link, let goodbye):
      deliver(.goodbye(goodbye), from: number, link)
      after(.milliseconds(30)) {
        guard let end = self.peer(of: number, link) else { return }
        self.links.removeAll { $0.ends.contains { $0.node == number && $0.link == link } }
        self.input(node) { core, now in core.linkClosed(link, at: now) }
        self.input(self.nodes[end.node]) { core, now in core.linkClosed(end.link, at: now) }
      }
    case .lookUp(let lookup, let hash):
      let file = node.files[hash].map { FindAnswer.File(size: UInt64($0.count), manifest: node.manifests[hash]) }
      after(.microseconds(50)) { self.input(node) { core, _ in core.lookedUp(lookup, file) } }
    case .readManifest(let download, _, let manifest):
      let found = node.files[manifest].flatMap { try? Manifest(parsing: $0) }
      after(.microseconds(50)) { self.input(node) { core, now in core.manifestRead(download, found, at: now) } }
    case .prepare(let download, let plan):
      node.incoming[download] = (plan, [:])
      after(.microseconds(50)) { self.input(node) { core, now in core.prepared(download, at: now) } }
    case .fetch(let fetch, let download, let piece, let source, let link):
      self.fetch(fetch, download, piece, source, link, number)
    case .abandon(let download, let peer):
      node.fetching = node.fetching.filter { $0.value.download != download || $0.value.node != peer }
    case .complete(let download): complete(download, node)
    case .discard(let download): node.incoming[download] = nil
    case .found(_, let source): node.found.append(source.node)
    case .findEnded: node.hasFindEnded = true
    case .progress: break
    case .loaded(let id): node.loaded.insert(id)
    case .failed(let id, let error): node.failed[id] = error
    }
  }

  private func fetch(
    _ fetch: FetchID, _ download: DownloadID, _ piece: Piece, _ source: Source, _ link: LinkID, _ number: Int
  ) {
    let node = nodes[number]
    node.fetching[fetch] = (download, source.node)
    node.requests += 1
    after(latency()) {
      guard let end = self.peer(of: number, link) else {
        return self.report(fetch, .disconnected, node)
      }
      let server = self.nodes[end.node]
      guard server.core.mayServe(end.link, over: source.topic) else {
        return self.report(fetch, .refused(.notFound), node)
      }
      guard let range = ByteRange(start: piece.range.start + source.offset, end: piece.range.end + source.offset),
        let bytes = server.bytes(of: source.hash, range)
      else { return }
      self.after(self.latency()) {
        guard self.peer(of: number, link) != nil else { return self.report(fetch, .disconnected, node) }
        guard node.fetching[fetch] != nil else { return }
        self.input(node) { core, now in core.received(UInt64(bytes.count), of: fetch, at: now) }
        guard ContentHash.of(bytes) == piece.hash else { return self.report(fetch, .hashMismatch, node) }
        node.incoming[download]?.pieces[piece.hash] = bytes
        self.report(fetch, .verified, node)
      }
    }
  }

  private func report(_ fetch: FetchID, _ outcome: FetchOutcome, _ node: SimNode) {
    guard node.fetching.removeValue(forKey: fetch) != nil else { return }
    input(node) { core, now in core.fetched(fetch, outcome, at: now) }
  }

  private func complete(_ download: DownloadID, _ node: SimNode) {
    guard let (plan, pieces) = node.incoming[download] else { return }
    let bytes = plan.pieces.flatMap { pieces[$0.hash] ?? [] }
    let isWhole = ContentHash.of(bytes) == plan.hash
    if isWhole { node.files[plan.hash] = bytes }
    after(.microseconds(50)) {
      self.input(node) { core, now in
        core.completed(
          download, isWhole ? .success(()) : .failure(KacheryError(.hashMismatch, "The whole is wrong.")), at: now)
      }
    }
  }
}
