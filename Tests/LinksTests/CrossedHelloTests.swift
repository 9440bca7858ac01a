import EventLoop
import Primitives
import TLS
import TestSupport
import Testing

@testable import Links

/// Two nodes that dial each other's listening ports at the same moment.
@Suite(.timeLimit(.minutes(1))) struct CrossedHelloTests {
  /// The record of a ClientHello with these random bytes.
  private func hello(_ random: UInt8, length: Int = 100) -> [UInt8] {
    [22, 3, 1, 0, UInt8(length), 1, 0, 0, UInt8(length - 4), 3, 3] + [UInt8](repeating: random, count: 32)
      + [UInt8](repeating: 9, count: length - 38)
  }

  @Test(arguments: [1, 7, 1_000]) func oneEndStaysTheClient(piece: Int) throws {
    let serverHello: [UInt8] = [22, 3, 3, 0, 2, 2, 0, 23, 3, 3]
    for (own, other) in [(1, 2), (2, 1)] as [(UInt8, UInt8)] {
      var crossed = try #require(CrossedHello(sent: hello(own)))
      var outcome = CrossedHello.Outcome.undecided
      var bytes = (hello(other) + serverHello)[...]
      while outcome == .undecided, !bytes.isEmpty {
        outcome = crossed.receive(bytes.prefix(piece))
        bytes = bytes.dropFirst(piece)
      }
      switch outcome {
      case .client(let rest): #expect(own == 1 && rest + bytes == serverHello)
      case .server(let taken): #expect(own == 2 && taken + bytes == hello(other) + serverHello)
      case .undecided, .own: Issue.record("\(outcome)")
      }
    }
  }

  @Test func anotherAnswerIsLeftToTLS() throws {
    let short = hello(1, length: 38).prefix(43)
    #expect(CrossedHello(sent: Array(short)) != nil)
    #expect(CrossedHello(sent: Array(short.dropLast())) == nil)
    #expect(CrossedHello(sent: [21] + short) == nil)
    for answer: [UInt8] in [
      [22, 3, 3, 0, 90, 2], [21, 3, 3, 0, 2, 2, 40], [0], Array("HTTP/1.1 400".utf8), [22, 3, 1, 0, 10, 1],
      [22, 3, 1, 0, 37, 1],
    ] {
      var crossed = try #require(CrossedHello(sent: hello(1)))
      #expect(crossed.receive(answer) == .client(answer))
    }
    var crossed = try #require(CrossedHello(sent: hello(1)))
    #expect(crossed.receive([]) == .undecided)
    #expect(crossed.receive([22, 3, 3, 0, 90]) == .undecided)
    #expect(crossed.receive([2]) == .client([22, 3, 3, 0, 90, 2]))
  }

  @Test func aHelloThatComesBackIsItsOwn() throws {
    var crossed = try #require(CrossedHello(sent: hello(5)))
    #expect(crossed.receive(hello(5)) == .own)
  }

  @Test func randomBytesDoNoHarm() throws {
    for seed in 0..<2_000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      var crossed = try #require(CrossedHello(sent: hello(5)))
      var bytes = hello(UInt8.random(in: 0...255, using: &random))
      for _ in 0..<3 {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let cut = Int.random(in: 0...bytes.count, using: &random)
      if case .undecided = crossed.receive(bytes[..<cut]) { _ = crossed.receive(bytes[cut...]) }
    }
  }

  /// Both ends get the same link, in opposite roles, and streams work both ways.
  @Test(arguments: 0..<8) func crossedDialsLeadToOneLink(run: Int) async throws {
    let loop = try EventLoop(name: "crossed")
    let ends = try await CrossedEnds(loop)
    let links = try await ends.cross()
    #expect(links.roles.sorted { !$0 && $1 } == [false, true])
    #expect(links.peersAreRight)
    #expect(links.bindings[0] == links.bindings[1])
    #expect(try await ends.exchange() == [[1, 0], [1, 1]])
    #expect(await ends.accepted == 0)
    await ends.close()
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }
}

/// Two hosts over TCP whose listeners hear nothing, so that only dials that cross connect.
private actor CrossedEnds {
  struct Outcome: Sendable {
    let roles: [Bool]
    let bindings: [[UInt8]]
    let peersAreRight: Bool
  }

  private let loop: EventLoop
  private let hosts: [LinkHost]
  private let identities: TestIdentities
  private var endpoints: [Endpoint] = []
  private var links: [Int: Link] = [:]
  private var failures: [KacheryError] = []
  private var received: [[UInt8]] = [[], []]
  private(set) var accepted = 0

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(_ loop: EventLoop) async throws {
    self.loop = loop
    identities = try TestIdentities.shared.get()
    hosts = [identities.dialer, identities.listener].map { LinkHost(loop: loop, identity: $0) }
  }

  func cross() async throws -> Outcome {
    for host in hosts {
      endpoints.append(try host.listen(host: "127.0.0.1", port: 0))
      host.onLink = { _ in self.accepted += 1 }
    }
    guard endpoints.allSatisfy({ DeafListener.make(port: $0.port) }) else {
      throw KacheryError(.internalError, "The listeners are not found.")
    }
    let ids = [identities.dialerID, identities.listenerID]
    for end in 0..<2 {
      _ = hosts[end].dial(to: endpoints[1 - end], expected: ids[1 - end], timeout: .seconds(20)) { result in
        switch result {
        case .success(let link): self.links[end] = link
        case .failure(let error): self.failures.append(error)
        }
      }
    }
    try await until { self.links.count == 2 || !self.failures.isEmpty }
    if let error = failures.first { throw error }
    let both = [links[0], links[1]].compactMap { $0 }
    return Outcome(
      roles: both.map(\.isDialer), bindings: both.map(\.channelBinding),
      peersAreRight: both.map(\.peer) == [ids[1], ids[0]])
  }

  /// Opens a stream from each end; returns what arrives at each: a mark, and the number of the sender.
  func exchange() async throws -> [[UInt8]] {
    for (end, link) in links {
      link.onStream = { stream in stream.onData = { self.received[end] += $0 } }
    }
    for (end, link) in links { link.openStream().write([1, UInt8(end)]) }
    try await until { self.received.allSatisfy { $0.count == 2 } }
    return received.sorted { $0[1] < $1[1] }
  }

  private func until(_ isTrue: () -> Bool) async throws {
    for _ in 0..<15_000 where !isTrue() { try await Task.sleep(for: .milliseconds(2)) }
    guard isTrue() else { throw KacheryError(.timedOut, "What the test waits for did not happen.") }
  }

  func close() {
    for link in links.values { link.close() }
    for host in hosts { host.close() }
  }
}
