import Primitives
import TestSupport
import Testing
import Transfer

@Suite struct RateTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  /// Blocks of any size at any time: over a period no more bytes pass than the rate allows, and hardly fewer.
  @Test(arguments: 0..<50)
  func theRateIsKept(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let rate = Double(random.number(10_000...50_000_000))
    var bucket = TokenBucket(rate: rate, at: start)
    var now = start
    var moved = 0
    while (now - start).inSeconds < 20 {
      let count = random.number(1...256 << 10)
      now = now + bucket.delay(for: count, rate: rate, at: now)
      moved += count
    }
    let allowed = rate * (now - start).inSeconds
    #expect(Double(moved) <= allowed + rate * 0.25 + Double(256 << 10), "seed \(seed)")
    #expect(Double(moved) >= allowed * 0.95 - Double(256 << 10), "seed \(seed)")
  }

  @Test func whatWasNotUsedDoesNotAddUp() {
    var bucket = TokenBucket(rate: 1_000, at: start)
    let later = start + .seconds(3_600)
    let first = bucket.delay(for: 250, rate: 1_000, at: later)
    let second = bucket.delay(for: 1_000, rate: 1_000, at: later)
    #expect(first == .zero)
    #expect(second == .seconds(1))
  }

  @Test(arguments: [
    ("50", 0, 50e6), ("50,08:00-18:00=5", 479, 50e6), ("50,08:00-18:00=5", 480, 5e6), ("50,08:00-18:00=5", 1_080, 50e6),
    ("22:00-06:00=100", 1_330, 100e6), ("22:00-06:00=100", 10, 100e6), ("22:00-06:00=100", 720, nil),
    ("0.5,00:00-24:00=1", 1_439, 1e6),
  ])
  func aScheduleKnowsTheTimeOfDay(text: String, minute: Int, rate: Double?) throws {
    #expect(try RateSchedule(parsing: text).rate(atMinute: minute) == rate)
  }

  @Test(arguments: [
    "", "fast", "-1", "0", "0.05", "5,", "8-18=5", "08:00-08:00=5", "25:00-26:00=5", "08:00-18:00=", "1=2=3", "nan",
    "inf",
  ])
  func invalidSchedulesAreRejected(text: String) {
    #expect(#expect(throws: KacheryError.self) { try RateSchedule(parsing: text) }?.code == .badRequest)
  }
}
