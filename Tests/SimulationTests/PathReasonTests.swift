import Primitives
import Testing

@testable import NodeCore

/// Why a link is used or not, as shown to people.
@Suite struct PathReasonTests {
  private static func link(
    _ number: UInt64, _ path: PathKind = .direct, _ milliseconds: Int? = 100, isSilent: Bool = false
  ) -> LinkChoice.Candidate {
    LinkChoice.Candidate(
      link: LinkID(number: number), path: path, roundTrip: milliseconds.map { .milliseconds($0) }, isSilent: isSilent)
  }

  private struct Case: Sendable {
    /// The link in use, with the number 1.
    let used: LinkChoice.Candidate
    /// Another one, with the number 2.
    var other: LinkChoice.Candidate?
    var decides = true
    let reasons: [PathReason]
  }

  private static let cases = [
    Case(used: link(1), reasons: [.only]),
    Case(used: link(1), other: link(2, isSilent: true), reasons: [.othersSilent, .silent]),
    Case(used: link(1, isSilent: true), other: link(2, isSilent: true), reasons: [.noneAnswers, .silent]),
    Case(used: link(1), other: link(2, .relayed, 1), reasons: [.betterKind, .worseKind]),
    Case(used: link(1, .punched, 50), other: link(2), reasons: [.shorterRoundTrip, .longerRoundTrip]),
    Case(used: link(1), other: link(2, .direct, 90), reasons: [.equal, .notBetter]),
    Case(used: link(1), other: link(2, .direct, nil), reasons: [.equal, .unmeasured]),
    Case(used: link(1, .relayed), other: link(2), reasons: [.betterOneIsNew, .soonUsed]),
    Case(used: link(1), other: link(2, .direct, 50), reasons: [.betterOneIsNew, .soonUsed]),
    Case(used: link(1, .relayed), other: link(2), decides: false, reasons: [.chosenByOther, .otherNodeChose]),
    Case(used: link(1), other: link(2, .direct, 50), decides: false, reasons: [.chosenByOther, .otherNodeChose]),
    Case(used: link(1, .relayed), other: link(2, .lan, nil), reasons: [.betterOneIsNew, .unmeasured]),
  ]

  @Test(arguments: cases.indices) func eachPathHasAReason(_ index: Int) {
    let (row, choice) = (Self.cases[index], LinkChoice(LinkID(number: 1)))
    let reasons = choice.reasons(among: [row.used] + [row.other].compactMap { $0 }, decides: row.decides)
    let expected = zip([1, 2].map { LinkID(number: $0) }, row.reasons)
    #expect(reasons == Dictionary(uniqueKeysWithValues: expected))
  }

  /// The choice and its explanation come from the same rules: what is used soon is what a review takes.
  @Test func whatIsSoonUsedIsTaken() {
    let now = Instant(nanoseconds: 1_000_000_000)
    for row in Self.cases where row.decides {
      var choice = LinkChoice(LinkID(number: 1))
      let candidates = [row.used] + [row.other].compactMap { $0 }
      let soon = choice.reasons(among: candidates, decides: true).filter { $0.value == .soonUsed }.map(\.key)
      let taken = (0..<20).compactMap { choice.improvement(among: candidates, at: now + .seconds($0)) }.first
      #expect(taken == soon.first)
    }
  }

  @Test func severalRivalsAreConsideredTogether() {
    let choice = LinkChoice(LinkID(number: 1))
    let others = [Self.link(2, .relayed, 10), Self.link(3, .direct, 95), Self.link(4, .direct, 200)]
    let reasons = choice.reasons(among: [Self.link(1)] + others, decides: true)
    #expect(reasons[LinkID(number: 1)] == .equal)
    #expect(reasons[LinkID(number: 4)] == .longerRoundTrip)
    #expect(choice.reasons(among: others, decides: true).isEmpty, "the chosen link is gone")
  }

  @Test func noTwoReasonsReadAlike() {
    #expect(Set(PathReason.allCases.map(\.text)).count == PathReason.allCases.count)
  }
}
