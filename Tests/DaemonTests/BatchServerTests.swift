import Crypto
import Files
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// `StreamServer` with `BatchAnswers`: many small files on one stream.
@Suite(.timeLimit(.minutes(1))) struct BatchServerTests {
  private static func request(_ hashes: [ContentHash]) throws -> [UInt8] {
    BatchRequest(channel: ServingNode.channel, hashes: hashes).encoded
  }

  @Test func filesArriveInOrderAndAbsentOnesAreRefused() async throws {
    let node = try ServingNode()
    var hashes: [ContentHash] = []
    for number in 0..<100 { hashes.append(try await node.store(PatternBytes.make(5_000, seed: number)).hash) }
    let folder = try await node.store([1, 2])
    try FileSystem.remove(folder.path)
    try FileSystem.createFolder(folder.path, permissions: 0o755)
    let asked = hashes + [.of([9]), folder.hash] + hashes.reversed()
    let stream = await node.open({ BatchAnswers($0) }, first: try Self.request(asked))
    await node.finish(stream)
    let sight = await node.until(stream) { $0.isFinished }
    var expected: [UInt8] = []
    for number in 0..<100 { expected += FetchReply(count: 5_000).encoded + PatternBytes.make(5_000, seed: number) }
    #expect(Array(sight.written.prefix(expected.count)) == expected)
    #expect(sight.written.count == 200 * 5_014 + 28 && sight.hasEnded && !sight.isReset)
    let refusals = Array(sight.written[expected.count..<expected.count + 28])
    #expect(refusals.prefix(14) == FetchReply(.notHere).encoded[...])
    await node.stop()
  }

  /// Sends requests of the largest size while nothing is served: the ninth is one too many.
  @Test func aPeerThatRequestsTooManyIsDisconnected() async throws {
    let node = try ServingNode(turns: 1)
    await node.takeAllTurns(1)
    let hashes = (0..<BatchRequest.maximumFiles).map { ContentHash.of([UInt8(truncatingIfNeeded: $0)]) }
    let request = try Self.request(hashes)
    let stream = await node.open { BatchAnswers($0) }
    for _ in 0..<8 { await node.send(request, on: stream) }
    #expect(await !node.see(stream).hasEnded)
    await node.send(request, on: stream)
    #expect(await node.see(stream).isReset)
    await node.stop()
  }

  @Test func aStrangerIsRefusedEveryFile() async throws {
    let node = try ServingNode()
    let hash = try await node.store([1, 2, 3]).hash
    await node.setMember(false)
    let stream = await node.open { BatchAnswers($0) }
    await node.send(try Self.request([hash, .of([4])]), on: stream)
    let sight = await node.until(stream) { $0.written.count == 28 }
    #expect(sight.written == FetchReply(.notAuthorized).encoded + FetchReply(.notAuthorized).encoded)
    await node.stop()
  }
}
