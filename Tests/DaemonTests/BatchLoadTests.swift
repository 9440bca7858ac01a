import APIModel
import Crypto
import EventLoop
import Primitives
import TestSupport
import Testing
import Transfer

@testable import Daemon

@Suite struct BatchLoadTests {
  /// Files are loaded in the requested order, several at a time. A request holds at most a hundred thousand.
  @Test func theEngineGetsFilesInOrderAndNotTooMany() async throws {
    let loop = try EventLoop(name: "batch")
    let key = FileKey(hash: .of([1]))
    let count = BatchLoadRequest.maximumFiles
    let (events, continuation) = AsyncThrowingStream<[BatchLoadEvent], any Error>.makeStream()
    let request = BatchLoadRequest(keys: Array(repeating: key, count: count))
    let batch = BatchLoadSession(request, loop: loop, continuation: continuation)
    for index in 0..<count { batch.needsEngine(index) }
    var taken: [Int] = []
    while let index = batch.takeForEngine() {
      taken.append(index)
      if taken.count <= 100 { batch.underway[LoadID(number: UInt64(index))] = 0 }
      if taken.count == 64 { batch.underway[LoadID(number: 0)] = nil }
    }
    #expect(taken == Array(0..<65))
    batch.underway = [:]
    while let index = batch.takeForEngine() { taken.append(index) }
    #expect(taken == Array(0..<count))
    batch.abandon()
    #expect(batch.takeForEngine() == nil)
    _ = events
    await loop.shutdown()
  }
}
