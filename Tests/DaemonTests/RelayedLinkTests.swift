import Crypto
import EventLoop
import Primitives
import TLS
import TestSupport
import Testing
import Wire

@testable import Daemon
@testable import Links

/// Links through a relay, over TCP: two nodes prove their IDs to each other, and the relay passes on what it cannot read.
@Suite(.timeLimit(.minutes(2))) struct RelayedLinkTests {
  @Test func bothEndsKnowEachOtherAndNotTheRelay() async throws {
    let nodes = try await RelayedNodes.start()
    let link = try #require(try await nodes.connect())
    #expect(link == [nodes.target, nodes.opener])
    #expect(await nodes.bindings.count == 2)
    await nodes.stop()
  }

  @Test(arguments: [1, 100_000, 8 << 20]) func bytesArriveWholeInBothDirections(count: Int) async throws {
    let nodes = try await RelayedNodes.start()
    _ = try await nodes.connect()
    let (there, back) = (PatternBytes.make(count, seed: 1), PatternBytes.make(count, seed: 2))
    let received = await nodes.exchange(there, back)
    #expect(received == [there, back])
    #expect(await nodes.counts.bytes > UInt64(2 * count))
    // The opener's window has grown: yamux takes what the relay releases beyond what has arrived.
    if count > RelayWindow.most { #expect(await nodes.windows.allSatisfy { $0[0] > RelayWindow.first }) }
    await nodes.stop()
  }

  /// Both ends close in order, and the relay has nothing left of the stream.
  @Test func aClosedLinkLeavesNothingAtTheRelay() async throws {
    let nodes = try await RelayedNodes.start()
    _ = try await nodes.connect()
    #expect(await nodes.counts.streams == 1)
    await nodes.closeLink()
    let isIdle = await eventually { await nodes.isIdle }
    #expect(isIdle)
    let ends = await nodes.ends
    #expect(ends == [nil, nil])
    await nodes.stop()
  }

  /// One of the three links is cut: both ends of the relayed link learn it immediately.
  @Test(arguments: ["opener", "target"]) func aLinkToTheRelayThatEndsEndsTheRelayedLink(_ which: String) async throws {
    let nodes = try await RelayedNodes.start()
    _ = try await nodes.connect()
    await nodes.cut(which)
    let haveEnded = await eventually { await nodes.ends.count == 2 }
    #expect(haveEnded)
    #expect(await nodes.ends.allSatisfy { $0 == .disconnected })
    let isIdle = await eventually { await nodes.isIdle }
    #expect(isIdle)
    await nodes.stop()
  }

  @Test func aTargetThatDoesNotWantTheLinkIsReported() async throws {
    let nodes = try await RelayedNodes.start()
    await nodes.refuse()
    #expect(try await nodes.connect() == nil)
    #expect(await nodes.answer == .refused)
    #expect(await nodes.counts.refusals == [.refused: 1])
    await nodes.stop()
  }
}

/// A relay and two nodes that are linked to it, on one loop.
actor RelayedNodes {
  static let topic: Topic = .filled(with: 7)

  let loop: EventLoop
  let opener: NodeID
  let target: NodeID
  /// The answer of the relay.
  private(set) var answer: RelayStatus?
  /// Why each end of the relayed link ended; nil if in order.
  private(set) var ends: [KacheryError.Code?] = []

  private let keys: [SigningKey]
  private let hosts: [LinkHost]
  private let server: RelayServer
  private let acceptance: RelayedAcceptance
  /// The links to the relay, as the nodes see them.
  private var outer: [Link] = []
  /// The same links, as the relay sees them.
  private var accepted: [NodeID: Link] = [:]
  /// The relayed link at the opener and at the target.
  private var inner: [Link?] = [nil, nil]
  private var handshakes: [LinkHandshake] = []
  private var wants = true

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private init() throws {
    let loop = try EventLoop(name: "relayed")
    self.loop = loop
    let keys = try (0..<3).map { _ in try SigningKey.generate() }
    self.keys = keys
    (opener, target) = (keys[0].publicKey, keys[1].publicKey)
    hosts = try keys.map { LinkHost(loop: loop, identity: try TLSIdentity(key: $0)) }
    server = RelayServer(limit: RateLimit(nil), clock: RelayClock(of: loop))
    acceptance = RelayedAcceptance(loop: loop)
  }

  /// Starts the three, with both nodes linked to the relay.
  static func start() async throws -> RelayedNodes {
    let nodes = try RelayedNodes()
    try await nodes.link()
    let areLinked = await eventually { await nodes.linkCount == 2 }
    #expect(areLinked)
    return nodes
  }

  private func link() async throws {
    let endpoint = try hosts[2].listen(host: "127.0.0.1", port: 0)
    hosts[2].onLink = { link in
      self.accepted[link.peer] = link
      let relayLink = self.relayLink(link)
      link.onStream = { stream in
        StreamOpening.read(stream) { kind, stream, first in
          #expect(kind == .relay)
          self.server.serve(stream, first: first, from: relayLink)
        }
      }
    }
    server.permits = { _, _, topic in topic == Self.topic ? .granted : .notPermitted }
    server.linkOf = { node in self.accepted[node].map { self.relayLink($0) } }
    acceptance.wants = { request, _ in self.wants && request.opener == self.opener }
    acceptance.onPipe = { pipe, _, _ in self.shakeHands(over: pipe, isDialer: false) }
    for index in 0..<2 {
      let result: Result<Void, KacheryError> = await withCheckedContinuation { continuation in
        _ = hosts[index].dial(to: endpoint, expected: nil, timeout: .seconds(10)) { result in
          if let link = try? result.get() { self.outer.append(link) }
          continuation.resume(returning: result.map { _ in })
        }
      }
      try result.get()
    }
    outer[1].onStream = { stream in
      StreamOpening.read(stream) { kind, stream, first in
        #expect(kind == .relayed)
        self.acceptance.accept(stream, first: first, over: LinkID(number: 9))
      }
    }
  }

  private func relayLink(_ link: Link) -> RelayLink {
    RelayLink(
      id: LinkID(number: link.peer == opener ? 1 : 2), node: link.peer, roundTripTime: { .seconds(1) },
      open: { link.openStream(window: $0) })
  }

  /// The nodes at the other ends, as opener and target see them; nil if there is no link.
  func connect() async throws -> [NodeID]? {
    let link = outer[0]
    let stream = RelayOpening(to: target, over: Self.topic) {
      link.openStream(window: $0)
    } onAnswer: {
      self.answer = $0
    }
    // Its first bytes are on their way before the answer.
    shakeHands(over: StreamPipe(over: stream, loop: loop), isDialer: true)
    _ = await eventually { !inner.contains { $0 == nil } || !ends.isEmpty }
    let peers = inner.compactMap { $0?.peer }
    return peers.count == 2 ? peers : nil
  }

  private func shakeHands(over pipe: StreamPipe, isDialer: Bool) {
    guard let identity = try? TLSIdentity(key: keys[isDialer ? 0 : 1]) else { return pipe.close() }
    // Not the memory of the sessions outside.
    let handshake = LinkHandshake(
      loop: loop,
      handshake: PipeHandshake(
        loop: loop, pipe: pipe, identity: identity, scratch: ScratchBuffer(), isDialer: isDialer,
        expectedPeer: isDialer ? target : nil), isIncoming: !isDialer)
    handshakes.append(handshake)
    handshake.start(timeout: .seconds(10)) { result in
      switch result {
      case .failure(let error): self.ends.append(error.code)
      case .success(let link):
        self.inner[isDialer ? 0 : 1] = link
        link.onClose = { self.ends.append($0?.code) }
      }
    }
  }

  /// Sends bytes both ways on one stream; returns what arrived at the target and at the opener.
  func exchange(_ there: [UInt8], _ back: [UInt8]) async -> [[UInt8]] {
    guard let opener = inner[0], let target = inner[1] else { return [] }
    return await withCheckedContinuation { continuation in
      var received: [[UInt8]] = [[], []]
      var ended = 0
      func read(_ stream: any ByteStream, _ side: Int) {
        stream.onData = { [weak stream] bytes in
          received[side] += bytes
          stream?.consumed(bytes.count)
        }
        stream.onEnd = { _ in
          ended += 1
          if ended == 2 { continuation.resume(returning: received) }
        }
      }
      func write(_ bytes: [UInt8], to stream: any ByteStream) {
        var sent = 0
        let step = { [weak stream] in
          while let stream, sent < bytes.count, stream.isWritable {
            let end = min(sent + 100_000, bytes.count)
            stream.write(Array(bytes[sent..<end]))
            sent = end
          }
          if sent == bytes.count { stream?.finish() }
        }
        stream.onWritable = step
        step()
      }
      target.onStream = { stream in
        read(stream, 0)
        write(back, to: stream)
      }
      let stream = opener.openStream(window: 1 << 20)
      read(stream, 1)
      write(there, to: stream)
    }
  }

  var linkCount: Int { accepted.count }
  var counts: RelayCounts { server.counts }
  var windows: [[Int]] { server.windows }
  var isIdle: Bool { server.isIdle }
  var bindings: Set<[UInt8]> { Set((inner.compactMap(\.self) + outer.prefix(1)).map(\.channelBinding)) }

  func refuse() { wants = false }
  func closeLink() { inner[0]?.close() }

  /// Ends a node's link to the relay without a word.
  func cut(_ which: String) { outer[which == "opener" ? 0 : 1].giveUp() }

  func stop() async {
    server.stop()
    acceptance.stop()
    for link in inner.compactMap(\.self) + outer + accepted.values { link.close() }
    (inner, outer, accepted) = ([nil, nil], [], [:])
    for host in hosts {
      host.close()
      host.onLink = nil
    }
    (server.linkOf, acceptance.wants) = ({ _ in nil }, { _, _ in false })
    acceptance.onPipe = { pipe, _, _ in pipe.close() }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }
}
