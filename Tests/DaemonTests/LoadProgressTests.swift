import Primitives
import TestSupport
import Testing

@testable import Daemon

/// `LoadProgress`: which nodes count as the sources of a load.
@Suite struct LoadProgressTests {
  private let one = NodeID.filled(with: 1)
  private let other = NodeID.filled(with: 2)

  private func second(_ number: Int) -> Instant { Instant(nanoseconds: 0) + .seconds(number) }

  @Test func sourcesAreThoseThatHaveSentTheLatestBytes() {
    var progress = LoadProgress()
    #expect(progress.sources(at: second(0)) == [] && progress.total == nil)
    progress.note(10, of: 100, from: other, at: second(0))
    progress.note(20, of: 100, from: one, at: second(1))
    #expect(progress.sources(at: second(2)) == [one, other])
    #expect(progress.sources(at: second(3)) == [one])
    #expect(progress.sources(at: second(9)) == [])
    #expect((progress.loaded, progress.total) == (20, 100))
  }

  @Test func bytesEndAWait() {
    var progress = LoadProgress()
    progress.note(waitingFor: other)
    progress.note(0, of: 100, from: nil, at: second(0))
    #expect(progress.waitsFor == other, "what was here before is no answer")
    progress.note(10, of: 100, from: one, at: second(1))
    #expect(progress.waitsFor == nil)
  }

  @Test func nodesThatAreGoneAreForgotten() {
    var progress = LoadProgress()
    for number in 0..<200 {
      progress.note(UInt64(number), of: 1_000, from: NodeID.filled(with: UInt8(number)), at: second(number))
    }
    #expect(progress.sources(at: second(199)).count == 3)
  }
}
