import Crypto
import Primitives
import Testing

@testable import Daemon

@Suite struct KeyedQueueTests {
  @Test func workOnOneFileRunsOneAfterAnother() {
    let (file, other) = (ContentHash.of([1]), ContentHash.of([2]))
    var turns = KeyedQueue()
    var done: [Int] = []
    turns.take(file) { done.append(1) }?()
    turns.take(file) { done.append(2) }?()
    turns.take(other) { done.append(3) }?()
    #expect(done == [1, 3])
    turns.end(file)?()
    #expect(done == [1, 3, 2])
    turns.end(file)?()
    turns.take(file) { done.append(4) }?()
    #expect(done == [1, 3, 2, 4])
  }
}
