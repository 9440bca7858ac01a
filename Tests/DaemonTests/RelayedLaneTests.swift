import Crypto
import Discovery
import EventLoop
import Links
import Primitives
import TLS
import TestSupport
import Testing
import Wire

@testable import Daemon
@testable import NodeCore

/// Two nodes that cannot be dialed, and their relay, over loopback: their bulk data takes joined lanes.
@Suite(.timeLimit(.minutes(1))) struct RelayedLaneTests {
  private func withNodes(_ body: (Relayed) async throws -> Void) async throws {
    let nodes = try Relayed()
    try await nodes.meet()
    await nodes.until { $0.links.allSatisfy { $0 != nil } }
    try await body(nodes)
    await nodes.stop()
    #expect(nodes.loop.openHandles == 0)
  }

  @Test(arguments: [0, 1]) func eitherNodeOpensLanes(opener: Int) async throws {
    try await withNodes { nodes in
      await nodes.openLanes(2, opener)
      await nodes.until { $0.lanes == [2, 2] && $0.joined == 2 }
      #expect(await nodes.send([StreamKind.fetch.rawValue, 9], from: 0))
      await nodes.until { $0.streams[1] == [.fetch] }
      #expect(await nodes.send([StreamKind.batch.rawValue, 9], from: 1))
      await nodes.until { $0.streams[0] == [.batch] }
      #expect(await nodes.linkCounts == [2, 2, 2], "a lane is no link of its own")
      await nodes.leave(0)
      await nodes.until { $0.links[1] == nil && $0.joined == 0 }
    }
  }

  /// The link goes on, and carries everything that finds no lane.
  @Test func aRefusedLaneLeavesTheLink() async throws {
    try await withNodes { nodes in
      await nodes.openLanes(LaneQuotas.perPair + 1, 0)
      await nodes.until { $0.joined == LaneQuotas.perPair && $0.refused == 1 }
      #expect(await nodes.linkCounts == [2, 2, 2])
      // For a while the relay is not asked again.
      await nodes.openLanes(1, 0)
      #expect(await nodes.send([StreamKind.fetch.rawValue, 9], from: 0))
      await nodes.until { $0.streams[1] == [.fetch] }
      #expect(await nodes.refused == 1)
    }
  }

  /// A joined connection whose node does not say which link it belongs to, or names another, is no lane, and no link.
  @Test(arguments: [
    [StreamKind.control.rawValue], [StreamKind.fetch.rawValue, 1],
    [StreamKind.lane.rawValue] + LaneRequest(link: 5).encoded,
  ])
  func onlyLanesOfTheLinkAreAccepted(first: [UInt8]) async throws {
    try await withNodes { nodes in
      await nodes.openConnection(sending: first)
      await nodes.until { $0.haveEnded == 1 && $0.joined == 0 }
      #expect(await nodes.linkCounts == [2, 2, 2])
      #expect(await nodes.lanes == [0, 0])
    }
  }

  /// Nodes that have no link through the relay have no lanes through it either.
  @Test func aLaneWithoutALinkIsRefused() async throws {
    try await withNodes { nodes in
      await nodes.closeLinkOfTarget()
      await nodes.openConnection(sending: [])
      await nodes.until { $0.haveEnded == 1 }
      #expect(await nodes.joined == 0)
    }
  }
}

/// Nodes 0 and 1 do not listen. Node 2 is their bootstrap node and relay.
private actor Relayed {
  private final class End {
    let key: SigningKey
    let driver: CoreDriver
    let links: PeerLinks
    let metrics = RelayMetrics()
    var streams: [StreamKind] = []

    init(_ label: String, loop: EventLoop, bootstraps: [Endpoint]) throws {
      key = try SigningKey.generate()
      var configuration = NodeCoreConfiguration(
        key: key, label: label, software: "tests", isBootstrap: bootstraps.isEmpty, bootstraps: bootstraps)
      configuration.punches = false
      driver = CoreDriver(NodeCore(configuration, random: SystemRandomNumberGenerator()), loop: loop)
      links = PeerLinks(
        try TLSIdentity(key: key), driver: driver, loop: loop, log: .disabled, relayMetrics: metrics)
      driver.onEffect = { [links] effect in if case .link(let effect) = effect { links.perform(effect) } }
      links.onStream = { [weak self] kind, _, _, _, _ in self?.streams.append(kind) }
    }

    /// The relayed links: two if both nodes have dialed.
    var relayed: [LinkID] {
      driver.read { core in core.peers.links.filter { core.peers.active($0)?.facts.path == .relayed } }
    }
    /// The first of them that came up: which one it is must not change when the other one follows.
    var link: LinkID? {
      let links = relayed
      if used.map({ !links.contains($0) }) ?? true { used = links.first }
      return used
    }
    private var used: LinkID?
    var node: NodeID { driver.read { $0.node } }
  }

  nonisolated let loop: EventLoop
  private var ends: [End] = []
  private(set) var haveEnded = 0
  private var opened: [Link] = []
  private var askings: [LaneAsking] = []
  private var attempts: [LinkAttempt] = []
  private var hosts: [LinkHost] = []
  private var relay: Endpoint?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init() throws { loop = try EventLoop(name: "relayed lanes") }

  func meet() throws {
    let relay = try End("relay", loop: loop, bootstraps: [])
    let endpoint = try relay.links.listen(host: "127.0.0.1", port: 0)
    self.relay = endpoint
    ends = try ["one", "two"].map { try End($0, loop: loop, bootstraps: [endpoint]) } + [relay]
    for end in ends.prefix(2) {
      end.driver.input { $0.setChannels([Channel(address: "lab", membership: .byName)], at: $1) }
    }
  }

  var links: [LinkID?] { ends.prefix(2).map(\.link) }
  var lanes: [Int] {
    ends.prefix(2).map { end in end.relayed.reduce(0) { $0 + (end.links.ownLanes($1)?.count ?? 0) } }
  }
  var streams: [[StreamKind]] { ends.map(\.streams) }
  var joined: Int { ends[2].metrics.lanes.current }
  var refused: Int { ends[2].metrics.refusals.current }
  /// The links that each node can use.
  var linkCounts: [Int] { ends.map { end in end.driver.read { $0.activePeers.count } } }

  func openLanes(_ count: Int, _ index: Int) {
    guard let link = ends[index].link else { return }
    ends[index].links.ownLanes(link)?.onWanted?(count)
  }

  /// Opens a stream to the other node, over a lane if there is one.
  func send(_ bytes: [UInt8], from index: Int) -> Bool {
    guard let link = ends[index].link, let lane = ends[index].links.ownLanes(link)?.usable.last else { return false }
    lane.open(100_000).write(bytes)
    return true
  }

  func leave(_ index: Int) { ends[index].links.stop() }

  func closeLinkOfTarget() {
    for link in ends[1].relayed { ends[1].links.perform(.close(link, Goodbye(.stopping, "a test"))) }
    ends[1].driver.stop()
  }

  /// Asks the relay for a lane from node 0 to node 1, and sends this on its first stream.
  func openConnection(sending first: [UInt8]) {
    let route = ends[0].driver.read { $0.relayRoute(to: ends[1].node, by: ends[2].node) }
    guard let route, let relay, let way = ends[0].links.lanes(route.link)?.usable.first else { return }
    askings.append(
      LaneAsking(for: ends[1].node, over: route.topic, open: way.open) { answer in
        guard case .token(let token)? = answer else {
          self.haveEnded += 1
          return
        }
        self.join(token, at: relay, first)
      })
  }

  private func join(_ token: LaneToken, at relay: Endpoint, _ first: [UInt8]) {
    guard let host = try? LinkHost(loop: loop, identity: TLSIdentity(key: ends[0].key)) else { return }
    hosts.append(host)
    let preamble = JoinPreamble(token, as: .opener)
    attempts.append(
      host.join(preamble, at: relay, expected: ends[1].node, timeout: .seconds(5)) { result in
        guard let link = try? result.get() else {
          self.haveEnded += 1
          return
        }
        self.opened.append(link)
        link.onClose = { _ in self.haveEnded += 1 }
        link.openStream().write(first)
      })
  }

  func until(sourceLocation: SourceLocation = #_sourceLocation, _ isThere: @Sendable (isolated Relayed) -> Bool) async {
    let isAsWanted = await eventually { isThere(self) }
    #expect(isAsWanted, "\(lanes), \(joined), \(refused)", sourceLocation: sourceLocation)
  }

  func stop() async {
    for host in hosts { host.close() }
    for link in opened { link.close() }
    for end in ends {
      end.driver.stop()
      end.links.stop()
    }
    await loop.shutdown()
  }
}
