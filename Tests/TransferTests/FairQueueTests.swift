import Crypto
import Primitives
import TestSupport
import Testing
import Transfer

@Suite struct FairQueueTests {
  private let start = Instant(nanoseconds: 1_000_000_000)
  private let file = ContentHash.of([1])

  @Test func thePeerWithTheFewestRunningIsNext() {
    var slots = FairQueue<String>(capacity: 2)
    let greedy = (0..<3).map { _ in slots.add(for: "greedy", file, cost: 1, at: start) }
    let modest = slots.add(for: "modest", file, cost: 1, at: start)
    let first = [slots.next(rate: nil, at: start), slots.next(rate: nil, at: start), slots.next(rate: nil, at: start)]
    #expect(first == [greedy[0], modest, nil])
    slots.end(modest, spent: 1, rate: nil, at: start)
    let second = slots.next(rate: nil, at: start)
    #expect(second == greedy[1])
  }

  @Test func aPeerThatGivesUpIsForgotten() {
    var slots = FairQueue<Int>(capacity: 1)
    let ids = (1...3).map { slots.add(for: $0, file, cost: 1, at: start) }
    let first = slots.next(rate: nil, at: start)
    slots.end(ids[1], spent: 0, rate: nil, at: start)
    slots.end(ids[0], spent: 1, rate: nil, at: start)
    let next = slots.next(rate: nil, at: start)
    #expect(first == ids[0] && next == ids[2])
    slots.end(ids[2], spent: 1, rate: nil, at: start)
    #expect(slots.isEmpty)
  }

  /// A peer that sends one request after another does not precede those that have been waiting.
  @Test func aReturningPeerQueuesBehindWaitingOnes() {
    var slots = FairQueue<Int>(capacity: 1)
    var order: [Int] = []
    var peers: [UInt64: Int] = [:]
    for peer in 1...5 { peers[slots.add(for: peer, file, cost: 1, at: start)] = peer }
    for _ in 0..<20 {
      guard let id = slots.next(rate: nil, at: start), let peer = peers[id] else { break }
      order.append(peer)
      slots.end(id, spent: 1, rate: nil, at: start)
      peers[slots.add(for: peer, file, cost: 1, at: start)] = peer
    }
    #expect(order == (0..<20).map { 1 + $0 % 5 })
  }

  @Test func longWaitsAreReportedUnlessNothingMoves() {
    var slots = FairQueue<Int>(capacity: 1)
    for peer in 1...3 { _ = slots.add(for: peer, file, cost: 1, at: start) }
    _ = slots.add(for: 3, file, cost: 1, at: start)
    _ = slots.next(rate: nil, at: start)
    let early = slots.notices(at: start + .seconds(4))
    let due = slots.notices(at: start + .seconds(6))
    let stuck = slots.notices(at: start + .seconds(31))
    #expect(early.isEmpty)
    #expect(Set(due.map(\.peer)) == [2, 3] && due.allSatisfy { $0.others == 1 && $0.hash == file })
    #expect(stuck.isEmpty)
  }

  /// The rate is kept however many are served concurrently, and the next peer is chosen only when a turn is free.
  @Test(arguments: 0..<10)
  func theRateIsKeptAndTheLastComerGetsHalf(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var slots = FairQueue<Int>(capacity: 8)
    let rate = Double(random.number(100_000...5_000_000))
    let block = 256 << 10
    var served: [Int: Int] = [:]
    var peers: [UInt64: Int] = [:]
    for _ in 0..<50 { peers[slots.add(for: 1, file, cost: block, at: start)] = 1 }
    for _ in 0..<2 { peers[slots.add(for: 2, file, cost: block, at: start)] = 2 }
    var now = start
    for _ in 0..<400 {
      if let id = slots.next(rate: rate, at: now), let peer = peers[id] {
        served[peer, default: 0] += 1
        slots.end(id, spent: block, rate: rate, at: now)
        peers[slots.add(for: peer, file, cost: block, at: now)] = peer
      } else if let due = slots.wakeAt(after: now) {
        now = due
      }
    }
    let bytes = served.values.reduce(0, +) * block
    #expect(Double(bytes) <= rate * ((now - start).inSeconds + 0.25) + 2 * Double(block), "seed \(seed)")
    #expect(abs((served[1] ?? 0) - (served[2] ?? 0)) <= 2, "seed \(seed): \(served)")
  }
}

/// Two hundred concurrent peers: most request one block after another, some forty blocks together, some take one and no
/// more.
@Suite struct TwoHundredPeersTests {
  private struct Waiting {
    var others: Set<Int> = []
    var since: Instant
  }

  /// While an unserved peer waits, no other peer has two turns. So no peer waits longer than one turn of all others
  /// takes, and the turns of idle peers go to the others.
  @Test(arguments: 0..<4)
  func noPeerHasTwoTurnsWhileAnotherWaits(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var slots = FairQueue<Int>(capacity: 8)
    let file = ContentHash.of([2])
    let rate: Double? = seed.isMultiple(of: 2) ? 2_000_000 : nil
    let block = 256 << 10
    var now = Instant(nanoseconds: 1_000_000_000)
    var peerOf: [UInt64: Int] = [:]
    var running: [UInt64] = []
    var waiting: [Int: Waiting] = [:]
    var turns = [Int](repeating: 0, count: 200)
    var longest: Duration = .zero
    var overtaken: [(Int, by: Int)] = []
    func isGreedy(_ peer: Int) -> Bool { peer < 20 }
    func isStalling(_ peer: Int) -> Bool { peer >= 180 }
    func ask(_ peer: Int) { peerOf[slots.add(for: peer, file, cost: block, at: now)] = peer }
    for peer in 0..<200 {
      for _ in 0..<(isGreedy(peer) ? 40 : 1) { ask(peer) }
      waiting[peer] = Waiting(since: now)
    }
    for _ in 0..<12_000 where turns.reduce(0, +) < 6_000 {
      while let id = slots.next(rate: rate, at: now), let peer = peerOf[id] {
        for other in waiting.keys where other != peer {
          if waiting[other]?.others.insert(peer).inserted == false { overtaken.append((other, by: peer)) }
        }
        if !isGreedy(peer), let since = waiting[peer]?.since { longest = max(longest, now - since) }
        waiting[peer] = nil
        turns[peer] += 1
        running.append(id)
      }
      guard !running.isEmpty else {
        now = slots.wakeAt(after: now) ?? now
        continue
      }
      now = now + .microseconds(random.number(1...2_000))
      let id = running.remove(at: random.number(0...running.count - 1))
      guard let peer = peerOf.removeValue(forKey: id) else { continue }
      slots.end(id, spent: block, rate: rate, at: now)
      if !isStalling(peer) { ask(peer) }
      let isWaiting = !isStalling(peer) && !running.contains { peerOf[$0] == peer }
      if isWaiting { waiting[peer] = Waiting(since: now) }
    }
    let honest = turns[20..<180]
    #expect(overtaken.isEmpty, "seed \(seed): \(overtaken.prefix(3))")
    #expect(turns[180...].allSatisfy { $0 == 1 })
    #expect((honest.min() ?? 0) > 20 && (honest.max() ?? 0) - (honest.min() ?? 0) <= 3, "seed \(seed): \(honest)")
    #expect((turns[..<20].max() ?? 0) <= (honest.min() ?? 0) * 5 / 4 + 3, "seed \(seed): the greedy get more")
    if let rate {
      let round = 200 * Double(block) / rate
      #expect(longest.inSeconds <= round + 1, "seed \(seed): a peer waited for \(longest)")
    }
  }
}
