import Primitives
import Testing

@testable import NodeCore

@Suite struct LinkChoiceTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  private func link(
    _ number: UInt64, _ path: PathKind = .direct, _ milliseconds: Int? = 100, isSilent: Bool = false
  ) -> LinkChoice.Candidate {
    LinkChoice.Candidate(
      link: LinkID(number: number), path: path, roundTrip: milliseconds.map { .milliseconds($0) },
      isSilent: isSilent)
  }

  /// Reviews every second, and takes what is better; returns the links that were taken, with the second.
  private func play(
    _ choice: inout LinkChoice, _ seconds: Range<Int>, _ links: (Int) -> [LinkChoice.Candidate]
  ) -> [String] {
    seconds.compactMap { second in
      let now = start + .seconds(second)
      guard let better = choice.improvement(among: links(second), at: now) else { return nil }
      choice.take(better, at: now)
      return "\(second): \(better.number)"
    }
  }

  @Test func aBetterKindWinsOnceItHasAnswered() {
    var choice = LinkChoice(LinkID(number: 1))
    let taken = play(&choice, 0..<20) { [link(1, .relayed, 1), link(2, .lan, $0 < 5 ? nil : 50)] }
    #expect(taken == ["5: 2"])
  }

  @Test func aShorterRoundTripMustLast() {
    var choice = LinkChoice(LinkID(number: 1))
    #expect(
      play(&choice, 0..<30) { [link(1), link(2, .direct, $0.isMultiple(of: 9) ? 90 : 50)] } == [])
    // Faster since second 28.
    #expect(play(&choice, 30..<60) { _ in [link(1), link(2, .direct, 50)] } == ["38: 2"])
  }

  @Test(arguments: [(100, 80), (8, 4)]) func aLittleFasterIsNotEnough(_ times: (Int, Int)) {
    var choice = LinkChoice(LinkID(number: 1))
    #expect(
      play(&choice, 0..<100) { _ in [link(1, .direct, times.0), link(2, .direct, times.1)] } == [])
  }

  @Test func thereIsOneImprovementAMinute() {
    var choice = LinkChoice(LinkID(number: 1))
    // The other one is always better.
    let taken = play(&choice, 0..<200) { second -> [LinkChoice.Candidate] in
      let isEven = second / 15 % 2 == 0
      return [link(1, isEven ? .direct : .lan), link(2, isEven ? .lan : .direct)]
    }
    #expect(taken.count <= 4)
    #expect(taken.first == "0: 2")
  }

  @Test func ofEqualPathsTheBetterTransportWins() {
    var slower = link(2, .direct, 120)
    var second = link(1)
    second.isSecondChoice = true
    var choice = LinkChoice(LinkID(number: 1))
    #expect(play(&choice, 0..<20) { _ in [second, slower] } == ["0: 2"])
    // A better kind of path is better by any transport.
    slower.isSecondChoice = true
    choice = LinkChoice(LinkID(number: 1))
    #expect(play(&choice, 0..<20) { _ in [link(1, .relayed, 1), slower] } == ["0: 2"])
  }

  @Test func aBetterKindThatComesUpLaterDoesNotWait() {
    var choice = LinkChoice(LinkID(number: 1))
    let taken = play(&choice, 0..<100) { second -> [LinkChoice.Candidate] in
      [link(1, .relayed), link(2, .punched), link(3, .lan, second < 2 ? nil : 1, isSilent: (5..<10).contains(second))]
    }
    #expect(taken == ["0: 2", "2: 3"])
  }

  @Test func aSilentLinkIsReplacedByTheBestThatIsNot() {
    let choice = LinkChoice(LinkID(number: 1))
    #expect(choice.replacement(among: [link(1, isSilent: true)]) == nil)
    #expect(
      choice.replacement(among: [link(1, isSilent: true), link(2, .lan, isSilent: true)]) == nil)
    #expect(choice.replacement(among: [link(1), link(2, .lan, 1)]) == nil)
    let others = [link(2, .lan, isSilent: true), link(3, .relayed, 1), link(4, .direct, nil)]
    #expect(choice.replacement(among: [link(1, isSilent: true)] + others) == LinkID(number: 4))
    // A link that is gone is replaced even by a silent one.
    #expect(choice.replacement(among: [link(2, isSilent: true)]) == LinkID(number: 2))
    #expect(choice.replacement(among: []) == nil)
  }

  @Test func wishesAreNotGrantedOften() {
    var choice = LinkChoice(LinkID(number: 1))
    var granted = 0
    for second in 0..<100 where choice.grantsWish(at: start + .seconds(second)) { granted += 1 }
    #expect(granted == 10)
  }
}
