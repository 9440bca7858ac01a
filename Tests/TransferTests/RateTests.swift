import Primitives
import TestSupport
import Testing
import Transfer

@Suite struct RateTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  /// Blocks of any size at any times: over a while no more moves than the rate allows, and hardly less.
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
  func whatIsNoScheduleIsRefused(text: String) {
    #expect(#expect(throws: KacheryError.self) { try RateSchedule(parsing: text) }?.code == .badRequest)
  }
}

@Suite struct UploadSlotsTests {
  @Test func whoHasTheFewestServedIsNext() {
    var slots = UploadSlots<String>(capacity: 2)
    let first = slots.take(for: "greedy")
    let second = slots.take(for: "greedy")
    let third = slots.take(for: "greedy")
    let modest = slots.take(for: "modest")
    #expect(first.isServed && second.isServed && !third.isServed && !modest.isServed)
    let next = slots.release(first.id)
    #expect(next == modest.id)
    let last = slots.release(modest.id)
    #expect(last == third.id)
    let none = slots.release(third.id)
    #expect(none == nil)
  }

  @Test func whoGivesUpIsForgotten() {
    var slots = UploadSlots<Int>(capacity: 1)
    let first = slots.take(for: 1)
    let second = slots.take(for: 2)
    let third = slots.take(for: 3)
    let given = slots.release(second.id)
    let next = slots.release(first.id)
    #expect(given == nil)
    #expect(next == third.id)
  }

  /// Two hundred peers, some of which ask for much more than others: each is served about as often as any other while it
  /// waits, and nobody waits for more than two rounds of all.
  @Test(arguments: 0..<3)
  func twoHundredPeersAreServedFairly(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let peers = 200
    var slots = UploadSlots<Int>(capacity: 64)
    var owner: [UInt64: Int] = [:]
    var running: [UInt64] = []
    for peer in 0..<peers {
      // Each keeps as many requests waiting; a served one is replaced at once.
      for _ in 0..<(peer < 20 ? 40 : 2) {
        let (id, isServed) = slots.take(for: peer)
        owner[id] = peer
        if isServed { running.append(id) }
      }
    }
    var served = [Int](repeating: 0, count: peers)
    for _ in 0..<10_000 {
      let id = running.remove(at: random.number(0...running.count - 1))
      guard let peer = owner.removeValue(forKey: id) else { continue }
      served[peer] += 1
      let next = slots.release(id)
      let (new, isServed) = slots.take(for: peer)
      owner[new] = peer
      if let next { running.append(next) }
      if isServed { running.append(new) }
    }
    let least = served.min() ?? 0
    let most = served.max() ?? 0
    #expect(least >= 30, "seed \(seed): \(least) of 50 on average")
    #expect(most <= 100, "seed \(seed): \(most) of 50 on average")
  }
}
