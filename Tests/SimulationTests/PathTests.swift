import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer

/// Two nodes with several links: which one they use, and that nothing is lost or sent twice when it changes.
@Suite struct PathTests {
  private let lab: Lab
  private let asker: SimNode
  private let source: SimNode

  init() throws {
    lab = try Lab(seed: 5, members: 2, manifestThreshold: 50_000)
    asker = lab.members[0]
    source = lab.members[1]
    for node in lab.members {
      node.blockTime = .milliseconds(10)
      node.blockSize = 500
    }
    _ = lab.network.clock.run(for: .seconds(100))
  }

  private var network: SimNetwork { lab.network }

  private func used() -> SimLink? {
    let (here, there) = (asker.preferredLink(to: source), source.preferredLink(to: asker))
    return here === there ? here : nil
  }

  private func load(_ count: Int) -> (key: FileKey, id: LoadID) {
    let key = source.store.store(lab.bytes(count))
    return (key, asker.load(key))
  }

  private func settle(_ time: Duration = .seconds(5)) { _ = network.clock.run(for: time) }

  @Test func aBetterKindIsUsedAndTheOldLinkRunsEmpty() throws {
    let old = try #require(used())
    let load = load(40_000)
    #expect(lab.runUntilSomeCame(from: [source], to: asker))
    let lan = try #require(network.openPath(source, asker, .lan, latency: .milliseconds(1)))
    settle()
    #expect(used() === lan)
    #expect(old.isUp, "it stays as a reserve")
    #expect(lab.finish([(asker, load.id)]))
    #expect(asker.outcomes[load.id]?.isSuccess == true)
    #expect(asker.receivedBytes == 40_000, "no byte comes twice")
    settle(.seconds(90))
    #expect(network.links(between: asker, and: source).count == 1)
    #expect(used() === lan)
  }

  @Test(arguments: [false, true]) func aLinkThatIsLostIsNoLoss(isSilent: Bool) throws {
    let spare = try #require(network.openPath(source, asker, .relayed, latency: .milliseconds(50)))
    settle()
    let first = try #require(used())
    #expect(first !== spare)
    let load = load(40_000)
    #expect(lab.runUntilSomeCame(from: [source], to: asker))
    let before = network.clock.now
    let events = asker.events.count
    if isSilent { first.fallSilent() } else { first.cut() }
    #expect(lab.finish([(asker, load.id)]))
    #expect(asker.outcomes[load.id]?.isSuccess == true)
    #expect(network.clock.now - before < .seconds(isSilent ? 8 : 3))
    #expect(used() === spare)
    #expect(asker.events.count == events, "the node has not left")
  }

  @Test func aSilentLinkIsReplacedBeforeItIsGivenUp() throws {
    let first = try #require(used())
    first.fallSilent()
    settle(.seconds(9))
    #expect(first.isUp)
    let second = try #require(used())
    #expect(second !== first)
    #expect(asker.isLinked(to: source) && source.isLinked(to: asker))
    #expect(!asker.events.contains(.unlinked(source.id)))
  }

  @Test func equalLinksDoNotAlternate() throws {
    for latency in [20, 22, 24] {
      network.openPath(asker, source, .direct, latency: .milliseconds(latency))
    }
    used()?.latency = .milliseconds(21)
    settle(.seconds(600))
    for (one, other) in [(asker, source), (source, asker)] {
      #expect((one.changes[other.id] ?? []).count <= 2)
    }
    #expect(used() != nil)
  }

  @Test func aShorterRoundTripIsUsedOnceItHasLasted() throws {
    used()?.latency = .milliseconds(100)
    let shorter = try #require(network.openPath(asker, source, .direct, latency: .milliseconds(10)))
    settle(.seconds(7))
    let early = used()
    settle(.seconds(20))
    #expect(early !== shorter)
    #expect(used() === shorter)
  }

  @Test func noMoreThanFourLinksAreKept() throws {
    for number in 0..<8 {
      network.openPath(
        number.isMultiple(of: 2) ? asker : source, number.isMultiple(of: 2) ? source : asker,
        .direct, latency: .milliseconds(20))
    }
    settle()
    #expect(network.links(between: asker, and: source).count <= NodeCore.maximumLinksOfNode)
    #expect(used() != nil)
  }
}
