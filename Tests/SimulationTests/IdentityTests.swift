import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// Two processes with one identity, seen by a bootstrap node that both dial.
@Suite struct IdentityTests {
  private var core: NodeCore
  private var time = Instant(nanoseconds: 1_000_000_000)
  private let node: NodeID
  private let key: SigningKey

  init() throws {
    key = try KeyRing.key(9)
    node = key.publicKey
    core = NodeCore(
      NodeCoreConfiguration(key: try KeyRing.key(8), label: "hub", software: "test", isBootstrap: true),
      random: SeededRandom(seed: 1))
  }

  private var now: Timestamps {
    Timestamps(
      instant: time, wall: WallTime(milliseconds: 1_700_000_000_000 + time.nanoseconds / 1_000_000))
  }

  /// What the node does with each link.
  private struct Doings: Equatable {
    var queries: [UInt64: UInt64] = [:]
    var closed: [UInt64: Goodbye.Code] = [:]
    var warned: [UInt64] = []
    var preferred: [UInt64] = []
    var notices = 0
  }

  private mutating func doings() -> Doings {
    var doings = Doings()
    while let effect = core.nextEffect() {
      switch effect {
      case .link(.send(let link, .identityQuery(let number))): doings.queries[link.number] = number
      case .link(.send(let link, .identityCopy)): doings.warned.append(link.number)
      case .link(.close(let link, let goodbye)): doings.closed[link.number] = goodbye.code
      case .link(.prefer(let link)): doings.preferred.append(link.number)
      case .event(.notice(let notice)) where notice.kind == .copy: doings.notices += 1
      default: break
      }
    }
    return doings
  }

  /// Opens a link from the process with this number.
  private mutating func open(_ number: UInt64, from instance: UInt64?) throws -> Doings {
    let place = try #require(Endpoint(host: "192.0.2.\(number)", port: 5_000))
    let link = LinkID(number: number)
    let binding = [UInt8](repeating: UInt8(number), count: 32)
    core.linkOpened(link, LinkFacts(peer: node, dial: nil, binding: binding, remote: .tcp(place)), at: now)
    let hello = Hello(label: "a", software: "test", isBootstrap: false, clock: now.wall, instance: instance)
    core.received(.hello(hello), on: link, at: now)
    return doings()
  }

  private mutating func answer(_ number: UInt64, on link: UInt64) -> Doings {
    core.received(.identityAnswer(number), on: LinkID(number: link), at: now)
    return doings()
  }

  private mutating func wait(_ duration: Duration) -> Doings {
    time = time + duration
    core.wake(at: now)
    return doings()
  }

  private mutating func close(_ link: UInt64) -> Doings {
    core.linkClosed(LinkID(number: link), at: now)
    return doings()
  }

  @Test mutating func theFirstStaysIfItAnswers() throws {
    #expect(try open(1, from: 7).preferred == [1])
    let asked = try open(2, from: 8)
    #expect(asked.closed.isEmpty && asked.preferred.isEmpty && Array(asked.queries.keys) == [1])
    let number = try #require(asked.queries[1])
    #expect(answer(number &+ 1, on: 1) == Doings() && answer(number, on: 2) == Doings(), "no answer, and not from it")
    let settled = answer(number, on: 1)
    #expect(settled.closed == [2: .copy] && settled.warned == [1] && settled.notices == 1)
    #expect(close(2) == Doings() && core.activePeers.first?.paths.map(\.link.number) == [1])
    // Another attempt is refused as well, and is no news.
    let again = try open(3, from: 8)
    let second = answer(try #require(again.queries[1]), on: 1)
    #expect(second.closed == [3: .copy] && second.warned == [1] && second.notices == 0)
    #expect(core.currentNotices(at: now).map(\.kind) == [.copy])
  }

  @Test mutating func theSecondTakesOverIfTheFirstDoesNotAnswer() throws {
    _ = try open(1, from: 7)
    _ = try open(2, from: 8)
    #expect(wait(.seconds(2)) == Doings())
    let settled = wait(.seconds(1))
    #expect(settled.closed == [1: .duplicate] && settled.preferred == [2] && settled.notices == 0)
    #expect(core.currentNotices(at: now).isEmpty)
  }

  @Test mutating func theSecondTakesOverWhenTheFirstEnds() throws {
    _ = try open(1, from: 7)
    _ = try open(2, from: 8)
    let settled = close(1)
    #expect(settled.preferred == [2] && settled.closed.isEmpty)
    #expect(wait(.seconds(5)).closed.isEmpty)
  }

  @Test mutating func aSilentOneIsNotWaitedFor() throws {
    _ = try open(1, from: 7)
    core.linkSilent(LinkID(number: 1), at: now)
    let settled = try open(2, from: 8)
    #expect(settled.queries.isEmpty && settled.closed == [1: .duplicate] && settled.preferred.last == 2)
  }

  @Test(arguments: [nil, 7] as [UInt64?])
  mutating func furtherLinksOfOneProcessAreNotContested(_ instance: UInt64?) throws {
    _ = try open(1, from: 7)
    let second = try open(2, from: instance)
    #expect(second.queries.isEmpty && second.closed.isEmpty)
  }

  /// Of three processes one stays.
  @Test mutating func theThirdWaitsAsWell() throws {
    _ = try open(1, from: 7)
    _ = try open(2, from: 8)
    _ = try open(3, from: 9)
    let taken = close(1)
    let number = try #require(taken.queries[2])
    #expect(taken.preferred == [2] && taken.closed.isEmpty)
    #expect(answer(number, on: 2).closed == [3: .copy])
  }

  /// A contested link changes nothing: it is not preferred, and what it announces waits.
  @Test mutating func aContestedLinkIsNotUsed() throws {
    _ = try open(1, from: 7)
    _ = try open(2, from: 8)
    core.received(.prefer(0x0202_0202_0202_0202), on: LinkID(number: 2), at: now)
    let topic = try #require(Topic(bytes: [UInt8](repeating: 3, count: 32)))
    let place = Address.tcp(try #require(Endpoint(host: "192.0.2.2", port: 5_000)))
    let record = PresenceRecord(
      node: node, topic: topic, addresses: [place], issued: now.wall, expires: now.wall + .seconds(600))
    core.received(.presence([record.signed(with: key)]), on: LinkID(number: 2), at: now)
    #expect(doings() == Doings())
    #expect(wait(.seconds(3)).preferred == [2])
    core.linkOpened(
      LinkID(number: 5),
      LinkFacts(peer: try KeyRing.key(3).publicKey, dial: nil, binding: [5], remote: nil), at: now)
    core.received(
      .hello(Hello(label: "b", software: "test", isBootstrap: false, clock: now.wall)), on: LinkID(number: 5), at: now)
    core.received(.topics([topic]), on: LinkID(number: 5), at: now)
    var introduced: [PresenceRecord] = []
    while let effect = core.nextEffect() {
      if case .link(.send(LinkID(number: 5), .presence(let records))) = effect { introduced += records }
    }
    #expect(introduced.map(\.node) == [node], "the record was kept until the process was known to be the node")
  }

  // MARK: In a network

  /// Both learn of it, once, and neither fights for the link.
  @Test(arguments: 0..<3 as Range<UInt64>)
  func twoCopiesSettleWhichStays(_ seed: UInt64) throws {
    let lab = try Lab(seed: seed, members: 2)
    defer { lab.network.dismantle() }
    let original = lab.members[0]
    let copy = try lab.network.addNode("copy", bootstraps: [lab.bootstrap], copying: original)
    let start = lab.network.clock.now
    copy.start([Lab.channel])
    _ = lab.network.clock.run(for: .seconds(1_800))
    #expect(original.isLinked(to: lab.bootstrap) && original.isLinked(to: lab.members[1]), "seed \(seed)")
    #expect(!copy.isLinked(to: lab.bootstrap), "seed \(seed)")
    let dials = (lab.network.dialed[.tcp(lab.bootstrap.endpoint)] ?? [])
      .count { $0.dialer == original.id && $0.at > start }
    #expect((2...9).contains(dials), "seed \(seed): \(dials) dials in half an hour")
    for node in [original, copy, lab.bootstrap] {
      #expect(node.copyNotices == 1, "seed \(seed): \(node.name) has logged \(node.copyNotices) times")
      #expect(node.core.currentNotices(at: node.now).contains { $0.kind == .copy }, "seed \(seed): \(node.name)")
    }
    original.kill()
    #expect(
      lab.network.clock.run(for: .seconds(400)) { copy.isLinked(to: lab.bootstrap) }, "seed \(seed): it comes back")
  }
}

extension SimNode {
  /// How often it has logged that an identity is used twice.
  fileprivate var copyNotices: Int {
    events.count { if case .notice(let notice) = $0 { notice.kind == .copy } else { false } }
  }
}
