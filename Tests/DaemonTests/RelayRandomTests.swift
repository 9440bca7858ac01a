import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// Ten thousand random events at a relay: whatever happens, bytes arrive in order and no one exceeds its window.
@Suite struct RelayRandomTests {
  /// One stream, as its two nodes see it.
  private final class Way {
    let near: MemoryStream
    let far: MemoryStream
    /// Bytes before those of the relayed link.
    let nearHead: Int
    let farHead: Int
    var sent = [0, 0]
    /// How much of what each side sent has been compared.
    var checked = [0, 0]
    var isFinished = [false, false]
    var consumed: [Int]

    init(_ near: MemoryStream, _ far: MemoryStream) {
      (self.near, self.far) = (near, far)
      (nearHead, farHead) = (near.written.count, far.written.count)
      consumed = [near.consumedBytes, far.consumedBytes]
    }

    var ends: [MemoryStream] { [near, far] }

    /// What the node at this end has received.
    func received(_ side: Int) -> ArraySlice<UInt8> { ends[side].written.dropFirst(side == 0 ? nearHead : farHead) }

    func room(_ side: Int) -> Int { RelayWindow.first + ends[side].consumedBytes - consumed[side] - sent[side] }
  }

  /// The period of what each side sends, and two periods of it.
  private static let period = 65_521
  private static let patterns = (0..<2).map {
    PatternBytes.make(period, seed: $0) + PatternBytes.make(period, seed: $0)
  }

  /// What a side sends from this position on, at most a period.
  private static func bytes(_ position: Int, _ count: Int, from side: Int) -> ArraySlice<UInt8> {
    patterns[side][position % period..<position % period + count]
  }

  @Test(arguments: 0..<4) func whateverHappensBytesStayInOrder(seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let world = try RelayWorld(rate: seed % 3 == 0 ? 5 : nil)
    for number in 0..<6 { world.link(number, roundTrip: .milliseconds(random.number(1...200))) }
    var ways: [Way] = []
    for event in 0..<5_000 {
      step(world, &ways, &random)
      // Tests beside this one wait for tasks of their own.
      if event % 50 == 0 { await Task.yield() }
      guard event % 500 == 0 else { continue }
      for way in ways { check(way, "seed \(seed), event \(event)") }
      #expect(world.server.pooledBytes <= RelayPool.capacity)
    }
    // Everything that is left arrives, unless it was given up.
    for way in ways {
      for side in 0..<2 where !way.isFinished[side] {
        way.isFinished[side] = true
        way.ends[side].end(.finished)
      }
    }
    for round in 0..<2_000 where world.server.streamCount > 0 {
      if round % 50 == 0 { await Task.yield() }
      world.pass(.milliseconds(20))
      for way in ways { for end in way.ends { end.takeAll() } }
    }
    for way in ways where !way.near.isReset && !way.far.isReset {
      check(way, "seed \(seed)")
      #expect(way.received(1).count == way.sent[0] && way.received(0).count == way.sent[1], "seed \(seed)")
      #expect(way.near.isFinished && way.far.isFinished, "seed \(seed)")
    }
    #expect(world.server.streamCount == 0 && world.server.isIdle, "seed \(seed)")
  }

  private func step(_ world: RelayWorld, _ ways: inout [Way], _ random: inout SeededRandom) {
    guard let way = ways.randomElement(using: &random), !random.chance(3) else {
      let (one, other) = (random.number(0...5), random.number(0...5))
      if one != other, let (near, far) = world.connect(one, other), world.server.streamCount > 0,
        !ways.contains(where: { $0.far === far })
      {
        ways.append(Way(near, far))
      }
      return
    }
    let side = random.number(0...1)
    let end = way.ends[side]
    switch random.number(0...99) {
    case 0..<40:
      let count = min(way.room(side), random.number(1...(random.chance(20) ? 60_000 : 3_000)))
      guard count > 0, !way.isFinished[side], !end.isReset else { return }
      end.receive(Array(Self.bytes(way.sent[side], count, from: side)))
      way.sent[side] += count
    case 40..<60: end.takeAll()
    case 60..<90: end.take(random.number(1...200_000))
    case 90..<98: world.pass(.milliseconds(random.number(0...100)))
    default:
      guard !way.isFinished[side], !end.isReset else { return }
      way.isFinished[side] = true
      end.end(random.chance(70) ? .finished : random.chance(50) ? .reset : .linkClosed)
      // An end that gave up takes no further part.
      if way.ends[1 - side].isReset { ways.removeAll { $0 === way } }
    }
  }

  /// What has arrived is the beginning of what was sent, and no side was allowed more than the largest window.
  private func check(_ way: Way, _ comment: Comment) {
    for side in 0..<2 {
      let received = way.received(1 - side)
      while way.checked[side] < received.count {
        let count = min(Self.period, received.count - way.checked[side])
        let next = received.dropFirst(way.checked[side]).prefix(count)
        #expect(next == Self.bytes(way.checked[side], count, from: side), comment)
        way.checked[side] += count
      }
      #expect(received.count <= way.sent[side], comment)
      #expect(way.room(side) >= 0 && way.room(side) <= RelayWindow.most, comment)
    }
  }
}
