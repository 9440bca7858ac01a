import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// Who gets a way through a relay, and what is answered to the others.
@Suite struct RelayServerTests {
  @Test func twoNodesAreConnected() throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let near = world.ask(1, for: 2, early: [1, 2, 3])
    let far = try #require(world.far(2))
    let request = RelayedRequest(topic: RelayWorld.topic, opener: RelayWorld.node(1)).encoded
    #expect(far.written == [StreamKind.relayed.rawValue] + request)
    far.takeAll()
    near.receive([4])
    far.takeAll()
    far.takeAll()
    #expect(far.written == [StreamKind.relayed.rawValue] + request + [1, 2, 3, 4])
    #expect(near.written == [])
    far.receive(RelayAnswer(.granted).encoded + [5])
    far.receive([6, 7])
    near.takeAll()
    near.takeAll()
    #expect(near.written == RelayAnswer(.granted).encoded + [5, 6, 7])
    #expect(world.server.counts == RelayCounts(streams: 1, pairs: 1, bytes: 7, refusals: [:]))
  }

  /// Each of the two learns where the relay sees the other.
  @Test func theEndsLearnWhereTheRelaySeesThem() throws {
    let world = try RelayWorld()
    let places = try ["192.0.2.1:7", "192.0.2.2:8"].map { try #require(Endpoint($0)) }
    world.link(1, seenAt: [places[0]])
    world.link(2, seenAt: [places[1]])
    let near = world.ask(1, for: 2)
    let far = try #require(world.far(2))
    let request = RelayedRequest(topic: RelayWorld.topic, opener: RelayWorld.node(1), seenAt: [places[0]])
    #expect(far.written == [StreamKind.relayed.rawValue] + request.encoded)
    // What a target claims about itself is not passed on.
    far.receive(RelayAnswer(.granted, seenAt: [places[0]]).encoded)
    #expect(near.written == RelayAnswer(.granted, seenAt: [places[1]]).encoded)
  }

  /// Every frame and byte may arrive by itself.
  @Test func bytesThatArriveOneByOneGiveTheSame() throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let near = MemoryStream()
    world.serve(near, first: [], from: 1)
    for byte in RelayWorld.request(to: 2) + [1, 2, 3] { near.receive([byte]) }
    let far = try #require(world.far(2))
    for byte in RelayAnswer(.granted).encoded + [4, 5, 6] {
      far.receive([byte])
      far.takeAll()
      near.takeAll()
    }
    #expect(far.written.suffix(3) == [1, 2, 3])
    #expect(near.written == RelayAnswer(.granted).encoded + [4, 5, 6])
    #expect(near.consumedBytes == RelayWorld.request(to: 2).count + 3)
  }

  // MARK: Refusals

  /// What the relay's owner decides reaches the opener, and the target is not asked.
  @Test(arguments: RelayStatus.allCases.filter { $0 != .granted }) func aRefusalIsAnswered(status: RelayStatus) throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    world.permission = { _, _, _ in status }
    let near = world.ask(1, for: 2)
    #expect(try RelayWorld.status(near) == status)
    #expect(!near.isReset, "the answer has not left")
    near.takeAll()
    #expect(near.isReset)
    #expect(world.far(2) == nil)
    #expect(world.server.counts.refusals == [status: 1])
    #expect(world.server.isIdle)
  }

  @Test func theOwnerDecidesByLinkTargetAndChannel() throws {
    let world = try RelayWorld()
    let opener = world.link(1)
    world.link(2)
    var asked: (LinkID, NodeID, Topic)?
    world.permission = { link, target, topic in
      asked = (link, target, topic)
      return .granted
    }
    _ = world.ask(1, for: 2)
    let (link, target, topic) = try #require(asked)
    #expect(link == opener.id && target == RelayWorld.node(2) && topic == RelayWorld.topic)
  }

  @Test func aNodeThatIsNotLinkedAndOneWithoutPermissionLookAlikeToAStranger() throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    world.link(4)
    for opener in 100..<100 + RelayQuotas.unanswered {
      world.link(opener)
      _ = world.ask(opener, for: 4)
    }
    world.permission = { _, _, _ in .notPermitted }
    let before = world.lookups
    // One that is linked, one that is not, one that can take no more.
    let answers = [2, 3, 4].map { world.ask(1, for: $0) }
    #expect(answers.allSatisfy { $0.written == answers[0].written })
    #expect(world.lookups == before, "not even looked up")
    #expect(try RelayWorld.status(answers[0]) == .notPermitted)
  }

  @Test func aMemberLearnsThatTheTargetIsNotLinked() throws {
    let world = try RelayWorld()
    world.link(1)
    #expect(try RelayWorld.status(world.ask(1, for: 2)) == .notLinked)
  }

  @Test func anotherUseAndANodeItselfAreRefused() throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let joined = MemoryStream()
    world.serve(joined, first: RelayWorld.request(to: 2, use: 2), from: 1)
    #expect(try RelayWorld.status(joined) == .doesNotRelay)
    #expect(try RelayWorld.status(world.ask(1, for: 1)) == .notPermitted)
  }

  /// Whatever the target answers, the opener learns only that it does not want the link.
  @Test(arguments: RelayStatus.allCases.filter { $0 != .granted })
  func aTargetThatRefusesIsReported(status: RelayStatus) throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let near = world.ask(1, for: 2)
    let far = try #require(world.far(2))
    far.receive(RelayAnswer(status).encoded)
    #expect(try RelayWorld.status(near) == .refused)
    #expect(far.isReset && world.server.isIdle)
  }

  @Test(
    arguments: [
      ([0, 0, 0, 3, 50, 7, 0], .refused), ([0xff, 0xff], nil), ([0xff, 0xff, 0xff, 0xff], .refused),
      ([0, 0, 0, 0], .refused), ([0, 0, 0, 2, 50, 0], .refused), ([0, 0, 0, 3, 48, 0, 0], .refused),
    ] as [([UInt8], RelayStatus?)])
  func anAnswerThatIsNoneIsARefusal(bytes: [UInt8], status: RelayStatus?) throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let near = world.ask(1, for: 2)
    try #require(world.far(2)).receive(bytes)
    #expect(try RelayWorld.status(near) == status)
  }

  @Test(arguments: [(LinkStreamEnd.reset, RelayStatus.refused), (.finished, .refused), (.linkClosed, .notLinked)])
  func aTargetThatEndsBeforeItsAnswerIsReported(end: LinkStreamEnd, status: RelayStatus) throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let near = world.ask(1, for: 2)
    try #require(world.far(2)).end(end)
    #expect(try RelayWorld.status(near) == status)
    #expect(world.server.isIdle)
  }

  @Test func aTargetThatDoesNotAnswerIsGivenUpAfterTenSeconds() throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let near = world.ask(1, for: 2)
    let far = try #require(world.far(2))
    world.pass(.milliseconds(9_999))
    #expect(try RelayWorld.status(near) == nil)
    world.pass(.milliseconds(1))
    #expect(try RelayWorld.status(near) == .refused)
    #expect(far.isReset && world.server.isIdle)
    far.receive(RelayAnswer(.granted).encoded)
    #expect(try RelayWorld.status(near) == .refused)
  }

  @Test func anOpenerThatSendsNoRequestIsGivenUpAfterTenSeconds() throws {
    let world = try RelayWorld()
    world.link(1)
    let near = MemoryStream()
    world.serve(near, first: [0, 0], from: 1)
    world.pass(.milliseconds(9_999))
    near.receive([0])
    #expect(!near.isReset)
    world.pass(.milliseconds(1))
    #expect(near.isReset && near.written == [] && world.server.isIdle)
  }

  @Test(arguments: 0..<200) func noiseInPlaceOfARequestDoesNoHarm(seed: UInt64) throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    var random = SeededRandom(seed: seed)
    let near = MemoryStream()
    let bytes = random.mutated(RelayWorld.request(to: 2))
    let cut = random.number(0...bytes.count)
    world.serve(near, first: Array(bytes[..<cut]), from: 1)
    near.receive(Array(bytes[cut...]))
    world.pass(.seconds(11))
    near.takeAll()
    #expect(world.server.isIdle && near.isReset, "seed \(seed)")
  }

  // MARK: Early bytes

  @Test(arguments: [(16 << 10, true), (16 << 10 + 1, false)], [true, false])
  func sixteenKibibytesMayComeBeforeTheAnswer(early: (count: Int, areAccepted: Bool), together: Bool) throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let bytes = PatternBytes.make(early.count)
    let near = world.ask(1, for: 2, early: together ? bytes : [])
    if !together {
      near.receive(Array(bytes.prefix(10_000)))
      near.receive(Array(bytes.dropFirst(10_000)))
    }
    guard early.areAccepted else {
      #expect(near.isReset && near.written == [] && world.server.isIdle)
      return
    }
    let far = try #require(world.far(2))
    for _ in 0..<4 { far.takeAll() }
    #expect(Array(far.written.suffix(early.count)) == bytes)
    far.receive(RelayAnswer(.granted).encoded)
    near.receive(bytes)
    for _ in 0..<4 { far.takeAll() }
    #expect(Array(far.written.suffix(2 * early.count)) == bytes + bytes)
  }

  // MARK: Limits

  @Test func aPairHasFourStreams() throws {
    let world = try RelayWorld()
    for number in 1...3 { world.link(number) }
    let streams = try (0..<4).map { try #require($0 % 2 == 0 ? world.connect(1, 2) : world.connect(2, 1)) }
    #expect(try RelayWorld.status(world.ask(1, for: 2)) == .limitReached)
    #expect(try RelayWorld.status(world.ask(2, for: 1)) == .limitReached)
    #expect(world.connect(1, 3) != nil && world.connect(3, 2) != nil)
    streams[1].far.end(.reset)
    #expect(world.connect(1, 2) != nil)
  }

  @Test func aNodeHasSixtyFourStreamsAsOpenerAndAsTarget() throws {
    let world = try RelayWorld()
    for number in 0..<40 { world.link(number) }
    // Half of them opened by it, half by others.
    for number in 1...32 {
      for _ in 0..<2 {
        world.pass(.seconds(1))
        #expect(number % 2 == 0 ? world.connect(0, number) != nil : world.connect(number, 0) != nil)
      }
    }
    world.pass(.seconds(1))
    #expect(try RelayWorld.status(world.ask(0, for: 33)) == .limitReached)
    #expect(try RelayWorld.status(world.ask(33, for: 0)) == .limitReached)
    #expect(world.connect(33, 34) != nil)
  }

  @Test func theRelayHasTwoThousandStreams() throws {
    let world = try RelayWorld()
    for number in 0..<80 { world.link(number) }
    for round in 0..<16 {
      world.pass(.seconds(1))
      for opener in 0..<32 {
        for _ in 0..<4 { #expect(world.connect(opener, 32 + (opener + round) % 32) != nil) }
      }
    }
    #expect(world.server.counts.streams == RelayQuotas.total && world.server.counts.pairs == RelayQuotas.total / 4)
    #expect(try RelayWorld.status(world.ask(70, for: 71)) == .limitReached)
    world.server.stop()
    #expect(world.server.isIdle)
    #expect(world.connect(70, 71) != nil)
  }

  @Test func aNodeOpensTenStreamsASecondAndTwentyAhead() throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(3)
    let answers = try (0..<25).map { _ in try RelayWorld.status(world.ask(1, for: 2)) }
    #expect(answers == Array(repeating: .notLinked, count: 20) + Array(repeating: .limitReached, count: 5))
    #expect(try RelayWorld.status(world.ask(3, for: 2)) == .notLinked, "others are not affected")
    world.pass(.seconds(1))
    let later = try (0..<12).map { _ in try RelayWorld.status(world.ask(1, for: 2)) }
    #expect(later == Array(repeating: .notLinked, count: 10) + Array(repeating: .limitReached, count: 2))
  }

  @Test func sixteenRequestsWaitForOneTarget() throws {
    let world = try RelayWorld()
    for number in 0..<30 { world.link(number) }
    let asked = (1...16).map { world.ask($0, for: 0) }
    #expect(try RelayWorld.status(world.ask(17, for: 0)) == .limitReached)
    #expect(try RelayWorld.status(asked[3]) == nil)
    // One is answered, one is refused, one opener leaves: there is room for three more.
    let far = try #require(world.opened[RelayWorld.node(0)])
    far[0].receive(RelayAnswer(.granted).encoded)
    far[1].receive(RelayAnswer(.refused).encoded)
    asked[2].end(.linkClosed)
    #expect(try (18...21).map { try RelayWorld.status(world.ask($0, for: 0)) } == [nil, nil, nil, .limitReached])
    world.server.stop()
    #expect(world.server.isIdle)
  }

  @Test func aNodeThatOpensNothingMoreIsForgotten() {
    var quotas = RelayQuotas()
    var now = Instant(nanoseconds: 1_000_000_000_000)
    for number in 0..<20_000 {
      now = now + .milliseconds(1)
      let mayOpen = quotas.open(by: RelayWorld.node(number), at: now)
      #expect(mayOpen)
      quotas.close(by: RelayWorld.node(number))
    }
    // Those of the last two seconds, and as many again before they are looked for.
    #expect(quotas.isEmpty && quotas.rememberedNodes < 5_000)
  }
}
