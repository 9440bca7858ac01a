import NodeCore
import Primitives
import Testing

@testable import Daemon

@Suite struct ManifestQueueTests {
  private func hash(_ number: UInt8) throws -> ContentHash {
    try #require(ContentHash(bytes: [UInt8](repeating: number, count: ContentHash.byteCount)))
  }

  private func lookup(_ number: UInt64) -> LookupID { LookupID(number: number) }

  @Test func oneIsMadeAfterAnother() throws {
    var queue = ManifestQueue()
    #expect(queue.begin() == nil)
    let added = [queue.add(try hash(1), lookup(1)), queue.add(try hash(2), lookup(2))]
    #expect(added == [true, true])
    #expect(queue.begin() == (try hash(1)))
    #expect(queue.begin() == nil)
    // Requests in the meantime wait for the same manifest.
    let isTaken = queue.add(try hash(1), lookup(3))
    #expect(isTaken)
    #expect(queue.end() == [lookup(1), lookup(3)])
    #expect(queue.begin() == (try hash(2)))
    #expect(queue.end() == [lookup(2)])
    #expect(queue.begin() == nil)
  }

  @Test func noMoreThanABoundWait() throws {
    var queue = ManifestQueue()
    var taken = 0
    for number in 0..<100 where queue.add(try hash(UInt8(number)), lookup(UInt64(number))) { taken += 1 }
    #expect(taken == 64)
    let isTaken = queue.add(try hash(0), lookup(200))
    #expect(isTaken)
  }
}
