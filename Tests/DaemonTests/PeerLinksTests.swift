import Crypto
import Diagnostics
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

/// `PeerLinks`: two nodes that connect over TCP, each with its core.
@Suite(.timeLimit(.minutes(1))) struct PeerLinksTests {
  private actor Two {
    /// One of the nodes.
    private final class End {
      let driver: CoreDriver
      let links: PeerLinks
      var opened: [(kind: StreamKind, stream: any ByteStream, first: [UInt8])] = []
      var closed: [LinkID] = []
      var partings = 0

      init(_ label: String, loop: EventLoop, maximumAcceptedLanes: Int = 1_024) throws {
        let key = try SigningKey.generate()
        driver = CoreDriver(key: key, label: label, loop: loop)
        links = PeerLinks(
          try TLSIdentity(key: key), driver: driver, loop: loop, log: .disabled,
          maximumAcceptedLanes: maximumAcceptedLanes)
        driver.onEffect = { [weak self, links] effect in
          if case .link(let effect) = effect { links.perform(effect) }
          if case .event(.unlinked) = effect { self?.partings += 1 }
        }
        links.onStream = { [weak self] kind, stream, first, _, _ in self?.opened.append((kind, stream, first)) }
        links.onClosed = { [weak self] id in self?.closed.append(id) }
      }

      /// The labels of the linked peers.
      var peers: [String] { driver.read { $0.activePeers.map(\.label) } }
    }

    let loop: EventLoop
    private let dialing: End
    private let listening: End
    private var received: [UInt8] = []
    private var endpoint: Endpoint?
    private var back: Endpoint?
    private var strangers: [LinkHost] = []
    private var strangersLinks: [Link] = []
    private var attempts: [LinkAttempt] = []
    private(set) var closedStrangers = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(maximumAcceptedLanes: Int = 1_024) throws {
      loop = try EventLoop(name: "two")
      dialing = try End("dialing", loop: loop)
      listening = try End("listening", loop: loop, maximumAcceptedLanes: maximumAcceptedLanes)
    }

    var peers: [[String]] { [dialing.peers, listening.peers] }
    var closed: [Int] { [dialing.closed.count, listening.closed.count] }
    var streams: [StreamKind] { listening.opened.map(\.kind) }

    /// Makes both join a channel, without knowing of each other.
    ///
    /// - Parameter isDeaf: whether connections that the other opens do not arrive.
    func prepare(isDeaf: Bool) throws {
      let ends = [dialing, listening]
      let places = try ends.map { try $0.links.listen(host: "127.0.0.1", port: 0) }
      (back, endpoint) = (places[0], places[1])
      for end in ends { end.driver.input { $0.setChannels([Channel(address: "lab", membership: .byName)], at: $1) } }
      guard !isDeaf || places.allSatisfy({ DeafListener.make(port: $0.port) }) else {
        throw KacheryError(.internalError, "The listeners are not found.")
      }
    }

    /// Makes both ends dial each other.
    func cross() throws {
      for (end, place) in [(dialing, try #require(endpoint)), (listening, try #require(back))] {
        end.links.perform(.dial(DialID(number: .max), .tcp(place), expected: nil))
      }
    }

    /// Makes both join this channel, and one dial the other as its document says.
    func meet(
      listensOn channel: ByteString = "lab", dialsOn other: ByteString = "lab", canBeDialedBack: Bool = true
    ) throws {
      let endpoint = try listening.links.listen(host: "127.0.0.1", port: 0)
      self.endpoint = endpoint
      let back = try dialing.links.listen(host: "127.0.0.1", port: 0)
      self.back = back
      dialing.driver.input { $0.setAddresses(canBeDialedBack ? [back] : [], port: back.port, at: $1) }
      listening.driver.input { $0.setChannels([Channel(address: channel, membership: .byName)], at: $1) }
      let document = ChannelDocument(label: "", bootstrapAddresses: [endpoint], members: [])
      dialing.driver.input {
        $0.setChannels(
          [
            Channel(address: other, membership: .byName),
            Channel(address: "file:///meeting", membership: .byDocument(document)),
          ], at: $1)
      }
    }

    /// Opens a further link between the two.
    func dialAgain() throws {
      let endpoint = try #require(endpoint)
      dialing.links.perform(.dial(DialID(number: .max), .tcp(endpoint), expected: nil))
    }

    /// Makes both ends dial each other in one round.
    func punch(isCancelled: Bool = false) throws {
      let ends = [(dialing, listening), (listening, dialing)]
      let endpoints = [back, endpoint].compactMap { $0 }
      for (index, (end, other)) in ends.enumerated() {
        let (own, peer) = (end.driver.read { $0.node }, other.driver.read { $0.node })
        let round = PunchRound(
          peer: peer, session: 1, number: 1, isControlling: own < peer, key: [UInt8](repeating: 1, count: 32),
          candidates: [endpoints[1 - index]])
        end.links.perform(.punch(round))
        if isCancelled { end.links.perform(.cancelPunch(peer)) }
      }
    }

    /// The kinds of the links of each end.
    var kinds: [[PathKind]] {
      [dialing, listening].map { end in
        end.driver.read { core in core.peers.links.compactMap { core.peers[$0]?.facts.path } }
      }
    }

    /// Whether each end counts as the one that dialed, by link.
    var dialed: [[Bool]] {
      [dialing, listening].map { end in
        end.driver.read { core in core.peers.links.compactMap { core.peers[$0].map { $0.facts.dial != nil } } }
      }
    }

    /// The links that each end can use.
    var linkCounts: [Int] {
      [dialing, listening].map { end in
        end.driver.read { core in core.peers.linked.reduce(0) { $0 + core.peers.activeLinks(to: $1.node).count } }
      }
    }

    /// How often each end has lost the other.
    var partings: [Int] { [dialing.partings, listening.partings] }

    func closeFirst() { dialing.links.perform(.close(LinkID(number: 1), Goodbye(.duplicate, "there is another"))) }

    /// Opens a stream to the node at the other end of this link and sends these bytes.
    func send(_ bytes: [UInt8], to number: UInt64 = 1) -> Bool {
      guard let lane = dialing.links.lanes(LinkID(number: number))?.usable.first else { return false }
      lane.open(100_000).write(bytes)
      return true
    }

    /// The bytes after the first one of each stream that has arrived.
    func first() -> [[UInt8]] { listening.opened.map(\.first) }

    func leave() { dialing.links.stop() }

    /// The number of lanes of the link, at both ends.
    var lanes: [Int] {
      [dialing, listening].map { $0.links.ownLanes(LinkID(number: 1))?.count ?? -1 }
    }

    /// Makes one end ask the other for lanes.
    func askForLanes(_ count: UInt8, fromListening: Bool) {
      let end = fromListening ? listening : dialing
      end.links.send(.lanesWanted(count), to: LinkID(number: 1))
    }

    /// Makes one end open lanes to the other.
    func openLanes(_ count: Int, fromListening: Bool) {
      let end = fromListening ? listening : dialing
      end.links.ownLanes(LinkID(number: 1))?.onWanted?(count)
    }

    /// Opens a link to the listening end by itself, with a fresh key, and sends these bytes on its first stream.
    func dialListening(sending bytes: [UInt8]) async throws -> Bool {
      guard let endpoint else { return false }
      let host = LinkHost(loop: loop, identity: try TLSIdentity(key: try SigningKey.generate()))
      strangers.append(host)
      return await withCheckedContinuation { continuation in
        attempts.append(
          host.dial(to: endpoint, expected: nil, timeout: .seconds(5)) { result in
            guard let link = try? result.get() else { return continuation.resume(returning: false) }
            self.strangersLinks.append(link)
            link.onClose = { _ in self.closedStrangers += 1 }
            link.openStream().write(bytes)
            continuation.resume(returning: true)
          })
      }
    }

    /// Waits, ten seconds at most.
    func until(sourceLocation: SourceLocation = #_sourceLocation, _ isThere: @Sendable (isolated Two) -> Bool) async {
      let isAsWanted = await eventually { isThere(self) }
      #expect(isAsWanted, "\(peers), \(closed)", sourceLocation: sourceLocation)
    }

    func stop() async {
      for stranger in strangers { stranger.close() }
      for end in [dialing, listening] {
        end.driver.stop()
        end.links.stop()
      }
      await loop.shutdown()
    }
  }

  @Test func membersMeetAndPart() async throws {
    let two = try Two()
    try await two.meet()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    await two.leave()
    await two.until { $0.closed == [1, 1] && $0.peers == [[], []] }
    #expect(await two.send([1]) == false, "the link is gone")
    await two.stop()
  }

  /// Two nodes with two links part only when both links are gone.
  @Test func aSecondLinkTakesOver() async throws {
    let two = try Two()
    try await two.meet(canBeDialedBack: false)
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    try await two.dialAgain()
    await two.until { $0.linkCounts == [2, 2] }
    #expect(await two.closed == [0, 0])
    await two.closeFirst()
    await two.until { $0.closed == [1, 1] && $0.linkCounts == [1, 1] }
    #expect(await two.partings == [0, 0])
    #expect(await two.send([StreamKind.fetch.rawValue, 1], to: 2))
    await two.until { $0.streams == [.fetch] }
    await two.leave()
    await two.until { $0.partings == [1, 1] && $0.peers == [[], []] }
    await two.stop()
  }

  @Test func nodesWithoutACommonChannelPart() async throws {
    let two = try Two()
    try await two.meet(listensOn: "lab", dialsOn: "elsewhere")
    // The address stays a target, so it is dialed again later.
    await two.until { $0.closed.allSatisfy { $0 > 0 } }
    #expect(await two.peers == [[], []])
    await two.stop()
  }

  /// The first byte says what a stream is for; a stream for an unknown purpose is rejected.
  @Test func streamsReachTheirServers() async throws {
    let two = try Two()
    try await two.meet()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    #expect(await two.send([99, 1]))
    #expect(await two.send([StreamKind.fetch.rawValue, 1, 2]))
    #expect(await two.send([StreamKind.batch.rawValue, 3]))
    await two.until { $0.streams == [.fetch, .batch] }
    #expect(await two.first() == [[1, 2], [3]])
    await two.stop()
  }

  /// Either end can open lanes; streams on them reach the same server, and they end with the link.
  @Test(arguments: [false, true]) func lanesBelongToTheirLink(fromListening: Bool) async throws {
    let two = try Two()
    try await two.meet()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    await two.openLanes(3, fromListening: fromListening)
    await two.until { $0.lanes == [3, 3] }
    #expect(await two.send([StreamKind.fetch.rawValue, 9]))
    await two.until { $0.streams == [.fetch] }
    #expect(await two.peers == [["listening"], ["dialing"]], "a lane is no link of its own")
    await two.leave()
    await two.until { $0.closed == [1, 1] && $0.lanes == [-1, -1] }
    await two.stop()
  }

  /// A node that cannot be dialed is asked to dial.
  @Test func theOtherEndDialsIfThisOneCannot() async throws {
    let two = try Two()
    try await two.meet(canBeDialedBack: false)
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    await two.openLanes(2, fromListening: true)
    await two.until { $0.lanes == [2, 2] }
    await two.stop()
  }

  /// The limit of all links together.
  @Test func aNodeAcceptsNoMoreLanesThanItsLimit() async throws {
    let two = try Two(maximumAcceptedLanes: 2)
    try await two.meet()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    await two.openLanes(3, fromListening: false)
    await two.until { $0.lanes == [2, 2] }
    await two.stop()
  }

  /// However many lanes a peer asks for, and whatever this node opens itself, the link gets no more than its limit.
  @Test func aPeerGetsNoMoreLanesThanTheLimit() async throws {
    let two = try Two()
    try await two.meet()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    await two.openLanes(LinkLanes.limit + 8, fromListening: false)
    for _ in 0..<3 { await two.askForLanes(.max, fromListening: true) }
    await two.until { $0.lanes == [LinkLanes.limit, LinkLanes.limit] }
    await two.stop()
  }

  /// A node that was dialed can be dialed again, so it does not dial addresses that its peer names.
  @Test func onlyTheDialerOfALinkDialsForItsPeer() async throws {
    let two = try Two()
    try await two.meet()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    await two.askForLanes(.max, fromListening: false)
    // Messages arrive in order, so the first request has been handled when the lane of the second is up.
    await two.askForLanes(1, fromListening: true)
    await two.until { $0.lanes == [1, 1] }
    await two.stop()
  }

  @Test func aStrangersLaneIsClosed() async throws {
    let two = try Two()
    try await two.meet()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    let claims: [[UInt8]] = [
      [StreamKind.lane.rawValue] + LaneRequest(link: 5).encoded, [StreamKind.lane.rawValue, 0, 0, 0, 1, 99],
      [StreamKind.lane.rawValue, 0xff, 0xff, 0xff, 0xff], [StreamKind.fetch.rawValue, 1],
      [StreamKind.feed.rawValue], [StreamKind.lane.rawValue, 0, 0, 0, 2, 26, 1],
    ]
    for claim in claims { #expect(try await two.dialListening(sending: claim)) }
    await two.until { $0.closedStrangers == claims.count }
    #expect(await two.closedStrangers == claims.count)
    #expect(await two.lanes == [0, 0])
    #expect(await two.peers == [["listening"], ["dialing"]])
    await two.stop()
  }

  @Test(arguments: [true, false]) func aRoundLeadsToALink(isDeaf: Bool) async throws {
    let two = try Two()
    try await two.prepare(isDeaf: isDeaf)
    try await two.punch()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    #expect(await two.kinds == [[.punched], [.punched]])
    #expect(await two.dialed == [[false], [false]])
    #expect(await two.send([StreamKind.fetch.rawValue, 9]))
    await two.until { $0.streams == [.fetch] }
    await two.stop()
  }

  @Test func aCancelledRoundLeadsToNothing() async throws {
    let two = try Two()
    try await two.prepare(isDeaf: false)
    try await two.punch(isCancelled: true)
    try await Task.sleep(for: .milliseconds(100))
    #expect(await two.kinds == [[], []])
    // Nothing of it is left in the way of the next one.
    try await two.punch()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    await two.stop()
  }

  /// Each end takes the link for its own dial, and one of them opens the control stream.
  @Test func dialsThatCrossLeadToOneLink() async throws {
    let two = try Two()
    try await two.prepare(isDeaf: true)
    try await two.cross()
    await two.until { $0.peers == [["listening"], ["dialing"]] }
    #expect(await two.dialed == [[true], [true]])
    #expect(await two.send([StreamKind.fetch.rawValue, 9]))
    await two.until { $0.streams == [.fetch] }
    await two.stop()
  }
}
