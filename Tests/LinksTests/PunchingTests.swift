import EventLoop
import Primitives
import TestSupport
import Testing
import Wire

@testable import Links

/// Two hosts that dial each other at the same moment, over loopback.
@Suite(.timeLimit(.minutes(2))) struct PunchingTests {
  private func withEnds(isDeaf: Bool = false, _ body: (PunchEnds) async throws -> Void) async throws {
    let loop = try EventLoop(name: "punching")
    let ends = try PunchEnds(loop)
    try await ends.listen(isDeaf: isDeaf)
    try await body(ends)
    await ends.close()
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  /// Deaf listeners accept nothing, so the two dials become one connection: TCP's simultaneous open.
  @Test(arguments: [(true, 0), (true, 30), (false, 0), (false, 150)])
  func bothEndsGetOneLink(isDeaf: Bool, lateness: Int) async throws {
    for late in 0..<2 {
      try await withEnds(isDeaf: isDeaf) { ends in
        await ends.punchBoth(late: late, by: .milliseconds(lateness))
        try await ends.expectOneLink()
        #expect(await ends.acceptedCount == 0)
        #expect(await ends.openHandshakes == [0, 0])
      }
    }
  }

  /// Its preamble waits for the other end's round.
  @Test func aRoundThatBeginsLateTakesAConnectionThatWaits() async throws {
    try await withEnds { ends in
      // It dials nothing itself.
      await ends.punchLate()
      try await ends.expectOneLink()
    }
  }

  @Test func otherProgramsAtTheAddressesDoNoHarm() async throws {
    try await withEnds { ends in
      let servers = try await ends.listenOtherwise()
      await ends.punchBoth(at: servers + ends.endpoints)
      try await ends.expectOneLink()
      #expect(await ends.bytesAtOthers % PunchPreamble.byteCount == 0)
    }
  }

  /// A node that is at one of the addresses without a round of its own, and one's own address.
  @Test func anAddressOfAnotherNodeLeadsNowhere() async throws {
    try await withEnds { ends in
      let begun = ends.loop.now
      await ends.punch(0)
      try await ends.until { $0.failures.count == 1 }
      #expect(ends.loop.now - begun >= PunchAttempt.dialingTime)
      #expect(await ends.failures == [.disconnected])
    }
  }

  /// The listeners ignore what arrives, as routers drop what a listener answers to a dial that meets a router's memory of
  /// an earlier round. So the second end's dial leads to a connection only if that of the first round still waits for it.
  @Test(arguments: [false, true]) func aDialOfAnEarlierRoundMeetsOneOfTheNext(isCancelled: Bool) async throws {
    try await withEnds(isDeaf: true) { ends in
      await ends.punch(0)
      if isCancelled {
        try await Task.sleep(for: .milliseconds(50))
        await ends.cancel()
      } else {
        try await ends.until { $0.failures == [.disconnected] }
      }
      await ends.punch(1, number: 2)
      try await Task.sleep(for: .milliseconds(100))
      await ends.punch(0, number: 2)
      try await ends.expectOneLink()
    }
  }

  @Test func strangersGetNothingAndPreventNothing() async throws {
    try await withEnds { ends in
      let forged = ends.forged
      let begun = ends.loop.now
      await ends.connect(forged + [[1, 2, 3], Array("GET / HTTP/1.1\r\n\r\n".utf8), [0x0B]])
      await ends.punchBoth()
      try await ends.expectOneLink()
      try await ends.until { $0.endedStrangers == forged.count + 3 }
      // Those that may yet turn out right stay until then.
      #expect(ends.loop.now - begun >= TCPPath.time - .milliseconds(100))
      #expect(await ends.bytesAtStrangers == 0)
      #expect(await ends.openHandshakes == [0, 0])
    }
  }

  @Test func connectionsThatSayNothingAreBoundedAndClosed() async throws {
    try await withEnds { ends in
      let count = LinkHost.maximumHandshakesPerAddress + 8
      await ends.connect((0..<count).map { _ in [] })
      try await ends.until { $0.endedStrangers == count }
      // The others were open when the last surplus one ended.
      #expect(await ends.handshakesAtEnds[7] == [LinkHost.maximumHandshakesPerAddress, 0])
      #expect(await ends.openHandshakes == [0, 0])
    }
  }

  @Test func aCancelledRoundReportsNothing() async throws {
    try await withEnds(isDeaf: true) { ends in
      await ends.punch(0)
      try await Task.sleep(for: .milliseconds(50))
      await ends.cancel()
      await ends.punch(1)
      try await ends.until { $0.failures.count == 1 }
      #expect(await ends.linkCount == 0)
    }
  }

  /// What the key of the round's link proves is not enough: TLS shows who is at the other end.
  @Test func anotherNodeWithTheKeyIsRefused() async throws {
    try await withEnds(isDeaf: true) { ends in
      let stranger = NodeID.filled(with: 200)
      await ends.punch(0, expecting: stranger)
      await ends.punch(1, as: stranger)
      try await ends.until { $0.failures.count == 2 }
      #expect(await ends.linkCount == 0)
    }
  }
}

/// Two hosts over TCP. The first one belongs to the node with the smaller ID.
private actor PunchEnds {
  nonisolated let loop: EventLoop
  private let hosts: [LinkHost]
  private let ids: [NodeID]
  private var attempts: [LinkAttempt] = []
  private var waiter: Timer?
  private var links: [Int: Link] = [:]
  private var received: [[UInt8]] = [[], []]
  private var strangersAttempts: [ConnectAttempt] = []
  private var strangers: [TCPConnection] = []
  private var servers: [TCPListener] = []
  private(set) var endpoints: [Endpoint] = []
  private(set) var failures: [KacheryError.Code] = []
  private(set) var acceptedCount = 0
  private(set) var endedStrangers = 0
  /// The handshakes under way at both hosts each time that a stranger's connection has ended.
  private(set) var handshakesAtEnds: [[Int]] = []
  private(set) var bytesAtStrangers = 0
  private(set) var bytesAtOthers = 0

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(_ loop: EventLoop) throws {
    let all = try TestIdentities.shared.get()
    let sorted = [(all.dialerID, all.dialer), (all.listenerID, all.listener)].sorted { $0.0 < $1.0 }
    self.loop = loop
    ids = sorted.map(\.0)
    hosts = sorted.map { LinkHost(loop: loop, identity: $0.1) }
  }

  func listen(isDeaf: Bool) throws {
    for host in hosts {
      let endpoint = try host.listen(host: "127.0.0.1", port: 0)
      endpoints.append(endpoint)
      host.onLink = { _ in self.acceptedCount += 1 }
      if isDeaf, !DeafListener.make(port: endpoint.port) {
        throw KacheryError(.internalError, "The listener is not found.")
      }
    }
  }

  private nonisolated func round(
    _ end: Int, with peer: NodeID, number: UInt8 = 1, at candidates: [Endpoint], key: UInt8 = 8
  ) -> PunchRound {
    PunchRound(
      peer: peer, session: 3, number: number, isControlling: end == 0, key: [UInt8](repeating: key, count: 32),
      candidates: candidates)
  }

  /// Starts the round at one end.
  func punch(
    _ end: Int, number: UInt8 = 1, at candidates: [Endpoint]? = nil, expecting peer: NodeID? = nil,
    as own: NodeID? = nil
  ) {
    let round = round(
      end, with: peer ?? ids[1 - end], number: number, at: candidates ?? [endpoints[1 - end]])
    attempts.append(hosts[end].punch(round, own: own ?? ids[end]) { self.ended(end, $0) })
  }

  /// Starts the round at both ends, at one of them later. On the loop alone: rounds are short, and tasks may wait long.
  func punchBoth(late: Int = 1, by lateness: Duration = .zero, at candidates: [Endpoint]? = nil) {
    punch(1 - late, at: candidates)
    guard lateness > .zero else { return punch(late, at: candidates) }
    _ = loop.after(lateness) { self.punch(late, at: candidates) }
  }

  /// Starts the round at the first end, and at the other one once a connection has arrived there.
  func punchLate() {
    punch(0)
    waiter = loop.after(.zero, repeating: .milliseconds(1)) {
      guard self.openHandshakes == [0, 1] else { return }
      self.waiter?.cancel()
      self.punch(1, at: [])
    }
  }

  private func ended(_ end: Int, _ result: Result<Link, KacheryError>) {
    switch result {
    case .success(let link):
      link.onStream = { stream in stream.onData = { self.received[end] += $0 } }
      links[end] = link
    case .failure(let error): failures.append(error.code)
    }
  }

  func cancel() { for attempt in attempts { attempt.cancel() } }

  var linkCount: Int { links.count }
  var openHandshakes: [Int] { hosts.map(\.openHandshakes) }

  /// Waits for the link, and exchanges bytes on it in both directions.
  func expectOneLink() async throws {
    try await until { $0.links.count == 2 }
    let both = [links[0], links[1]].compactMap { $0 }
    #expect(both.map(\.isDialer) == [true, false])
    #expect(both.map(\.peer) == [ids[1], ids[0]])
    #expect(both[0].channelBinding == both[1].channelBinding)
    #expect(both.map { $0.remoteEndpoint?.port } == [endpoints[1].port, endpoints[0].port])
    for (end, link) in both.enumerated() { link.openStream().write([UInt8(end)]) }
    try await until { $0.received == [[1], [0]] }
  }

  /// Preambles of other rounds, other nodes and other keys.
  nonisolated var forged: [[UInt8]] {
    let other = PunchPreamble(.preamble, clock: 1)
    return [
      other.encoded(in: round(1, with: ids[0], at: [], key: 9), from: ids[1]),
      other.encoded(in: round(1, with: ids[0], at: []), from: ids[0]),
      PunchPreamble(.chosen, clock: 1).encoded(in: round(1, with: ids[0], at: []), from: ids[1]),
    ]
  }

  /// Connects to the first host and sends each of these on a connection.
  func connect(_ greetings: [[UInt8]]) {
    for greeting in greetings {
      strangersAttempts.append(
        TCPConnection.connect(on: loop, to: endpoints[0], timeout: .seconds(20)) { result in
          guard let connection = try? result.get() else {
            self.endedStrangers += 1
            return
          }
          self.strangers.append(connection)
          connection.onData = { self.bytesAtStrangers += $0.count }
          connection.onEnd = { _ in
            self.endedStrangers += 1
            self.handshakesAtEnds.append(self.openHandshakes)
          }
          connection.resumeReading()
          connection.write(greeting)
        })
    }
  }

  /// Servers of other protocols: one that answers, one that is silent, and one that closes. Returns their addresses.
  func listenOtherwise() throws -> [Endpoint] {
    for answer in ["HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "", nil] as [String?] {
      let server = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
      server.onConnection = { connection in
        guard let answer else { return connection.close() }
        self.strangers.append(connection)
        connection.onData = { self.bytesAtOthers += $0.count }
        connection.resumeReading()
        connection.write(Array(answer.utf8))
      }
      servers.append(server)
    }
    return servers.compactMap(\.endpoint)
  }

  func until(_ isTrue: @Sendable (isolated PunchEnds) -> Bool) async throws {
    for _ in 0..<15_000 where !isTrue(self) { try await Task.sleep(for: .milliseconds(2)) }
    guard isTrue(self) else {
      throw KacheryError(.timedOut, "What the test waits for did not happen: \(links.count) links, \(failures).")
    }
  }

  func close() {
    for link in links.values { link.close() }
    for host in hosts { host.close() }
    for connection in strangers { connection.close() }
    for server in servers { server.close() }
  }
}
