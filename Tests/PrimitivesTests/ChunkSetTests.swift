import Primitives
import TestSupport
import Testing

@Suite struct ChunkSetTests {
  @Test(arguments: [1, 7, 8, 9, 1_000])
  func whatIsInsertedIsContained(count: Int) {
    var random = SeededRandom(seed: UInt64(count))
    var set = ChunkSet(of: count)
    let places = Set((0..<count).filter { _ in random.chance(40) })
    for place in places { set.insert(place) }
    #expect(Set((-3..<count + 20).filter { set.contains($0) }) == places)
    #expect(set.count == places.count)
    #expect(set.fits(count))
    #expect(ChunkSet(bytes: set.bytes) == set)
  }

  @Test func theFirstChunkIsTheHighestBit() {
    var set = ChunkSet(of: 10)
    set.insert(0)
    set.insert(9)
    #expect(set.bytes == [0x80, 0x40])
  }

  @Test func bitsBehindTheLastChunkFitNoFile() {
    #expect(ChunkSet(bytes: [0xff, 0xc0]).fits(10))
    #expect(!ChunkSet(bytes: [0xff, 0xe0]).fits(10))
    #expect(!ChunkSet(bytes: [0xff]).fits(10))
    #expect(!ChunkSet(bytes: [0xff, 0xc0, 0]).fits(10))
    #expect(!ChunkSet(bytes: []).fits(1))
    #expect(ChunkSet(bytes: [0xff]).fits(8))
  }
}
