import Primitives
import TestSupport
import Testing

@Suite struct DeadlinesTests {
  private func instant(_ number: UInt64) -> Instant { Instant(nanoseconds: number) }

  @Test func theEarliestIsNextAndKeysAreDueInOrder() {
    var deadlines = Deadlines<Int>()
    #expect(deadlines.next == nil && deadlines.isEmpty)
    for (key, time) in [(3, 20), (1, 10), (2, 10), (4, 30)] as [(Int, UInt64)] { deadlines.set(key, instant(time)) }
    #expect(deadlines.next == instant(10))
    #expect(deadlines.due(at: instant(9)) == [])
    #expect(deadlines.due(at: instant(20)) == [1, 2, 3])
    #expect(deadlines[3] == instant(20))
  }

  @Test func aLaterDeadlineReplacesAnEarlierOne() {
    var deadlines = Deadlines<Int>()
    deadlines.set(1, instant(10))
    deadlines.set(1, instant(30))
    deadlines.set(2, instant(20))
    #expect(deadlines.next == instant(20))
    #expect(deadlines.due(at: instant(25)) == [2])
    deadlines.set(2, nil)
    #expect(deadlines.next == instant(30))
    deadlines.clear(1)
    #expect(deadlines.next == nil && deadlines.isEmpty)
  }

  /// Compared with a table that is searched each time.
  @Test(arguments: 0..<20 as Range<UInt64>)
  func itDoesWhatATableWould(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var deadlines = Deadlines<Int>()
    var table: [Int: Instant] = [:]
    for _ in 0..<2_000 {
      let key = random.number(0...40)
      let time = random.chance(30) ? nil : instant(UInt64(random.number(0...50)))
      deadlines.set(key, time)
      table[key] = time
      #expect(deadlines.next == table.values.min())
      guard random.chance(5) else { continue }
      let due = table.filter { $0.value <= instant(25) }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map(\.key)
      #expect(deadlines.due(at: instant(25)) == due)
    }
  }
}
