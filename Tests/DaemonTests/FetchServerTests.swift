import Crypto
import Files
import Glibc
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// `StreamServer` with `FetchAnswers`: what a peer gets on a fetch stream, and what it cannot do to the node.
@Suite(.timeLimit(.minutes(1))) struct FetchServerTests {
  private static func request(_ hash: ContentHash, _ start: UInt64, _ end: UInt64) throws -> [UInt8] {
    FetchRequest(
      channel: ServingNode.channel, hash: hash, range: try #require(ByteRange(start: start, end: end))
    ).encoded
  }

  /// The meaning of the replies on a stream: the bytes of each, or the refusal.
  private static func replies(_ written: [UInt8]) throws -> [Result<[UInt8], Refusal>] {
    var decoder = FetchReplyDecoder()
    var replies: [Result<[UInt8], Refusal>] = []
    try written.withUnsafeBytes { bytes in
      try decoder.receive(bytes) { event in
        switch event {
        case .reply(let reply): replies.append(reply.refusal.map { .failure($0) } ?? .success([]))
        case .bytes(let slice):
          if case .success(let before)? = replies.popLast() { replies.append(.success(before + slice)) }
        case .end: break
        }
      }
    }
    return replies
  }

  @Test func rangesComeInOrder() async throws {
    let node = try ServingNode()
    let content = PatternBytes.make(3_000_000)
    let hash = try await node.store(content).hash
    let ranges: [(UInt64, UInt64)] = [(0, 3_000_000), (5, 6), (299_999, 1_000_001), (2_999_999, 3_000_000), (7, 7)]
    let requests = try ranges.flatMap { try Self.request(hash, $0.0, $0.1) }
    let stream = await node.open({ FetchAnswers($0) }, first: Array(requests.prefix(50)))
    await node.send(Array(requests.dropFirst(50)), on: stream)
    await node.finish(stream)
    let sight = await node.until(stream) { $0.isFinished }
    #expect(sight.hasEnded && !sight.isReset)
    #expect(try Self.replies(sight.written) == ranges.map { .success(Array(content[Int($0.0)..<Int($0.1)])) })
    await node.stop()
  }

  /// Objects that may be at the path of a stored file.
  enum Obstacle: CaseIterable { case folder, pipe, dangling, linkToItself, unreadable }

  /// The peer gets a refusal, and both the stream and the node continue.
  @Test(arguments: Obstacle.allCases) func whatCannotBeOpenedIsRefused(_ obstacle: Obstacle) async throws {
    let node = try ServingNode()
    let (hash, path) = try await node.store(PatternBytes.make(100_000))
    let other = try await node.store([1, 2, 3]).hash
    try FileSystem.remove(path)
    switch obstacle {
    case .folder: try FileSystem.createFolder(path, permissions: 0o755)
    case .pipe: try #require(mkfifo(path, 0o644) == 0)
    case .dangling: try #require(symlink("/nowhere/at/all", path) == 0)
    case .linkToItself: try #require(symlink(path, path) == 0)
    case .unreadable:
      // File modes do not stop root; a path through a file stops every user.
      try FileSystem.removeFolder(String(path.dropLast(41)))
      try #require(symlink("/dev/null", String(path.dropLast(41))) == 0)
    }
    let stream = await node.open { FetchAnswers($0) }
    await node.send(try Self.request(hash, 0, 100_000) + Self.request(other, 0, 3), on: stream)
    let sight = await node.until(stream) { $0.written.count >= 2 * 14 + 3 }
    let replies = try Self.replies(sight.written)
    #expect(replies.count == 2 && replies.last == .success([1, 2, 3]))
    guard case .failure = replies.first else {
      Issue.record("\(replies)")
      return
    }
    #expect(!sight.isReset && sight.notices.isEmpty)
    await node.stop()
  }

  @Test func whatIsNotThereIsRefused() async throws {
    let node = try ServingNode()
    let hash = try await node.store([1, 2, 3]).hash
    let stream = await node.open { FetchAnswers($0) }
    await node.send(
      try Self.request(.of([4]), 0, 3) + Self.request(hash, 1, 4) + Self.request(hash, 1 << 62, 1 << 62 + 1), on: stream
    )
    let sight = await node.until(stream) { $0.written.count == 3 * 14 }
    #expect(try Self.replies(sight.written) == [.failure(.notHere), .failure(.outOfRange), .failure(.outOfRange)])
    await node.stop()
  }

  /// After the reply only the file's own bytes may follow; the reason is sent another way.
  @Test func aFileThatChangesIsNotMixedWithARefusal() async throws {
    let node = try ServingNode()
    let content = PatternBytes.make(2_000_000)
    let (hash, path) = try await node.link(content)
    let stream = await node.open({ FetchAnswers($0) }, room: 300_000)
    await node.send(try Self.request(hash, 0, 2_000_000), on: stream)
    _ = await node.until(stream) { $0.written.count > 300_000 }
    let file = try File(path, .update)
    try file.truncate(to: 1_000_000)
    file.close()
    var sight = await node.see(stream)
    for _ in 0..<1_000 where !sight.hasEnded {
      await node.take(stream)
      try await Task.sleep(for: .milliseconds(5))
      sight = await node.see(stream)
    }
    #expect(sight.hasEnded && sight.isReset && !sight.isFinished)
    #expect(sight.notices == [AbortNotice(hash: hash, reason: .changed)])
    let sent = Array(sight.written.dropFirst(14))
    #expect(sent.count < 2_000_000 && sent == Array(content.prefix(sent.count)))
    await node.stop()
  }

  /// Peers that take nothing must not fill the memory, and others still get everything.
  @Test func whileOthersHoldMuchABlockComesWhenTheLastIsSent() async throws {
    let node = try ServingNode()
    let content = PatternBytes.make(100_000)
    let hash = try await node.store(content).hash
    await node.setOthersHold(streams: 1_000, bytes: UploadMemory.limit + 1)
    let stream = await node.open({ FetchAnswers($0) })
    await node.send(try Self.request(hash, 0, 100_000), on: stream)
    await node.finish(stream)
    var sight = await node.until(stream) { !$0.written.isEmpty }
    var blocks = 1
    while !sight.isFinished {
      let before = sight.written.count
      #expect(before <= blocks * UploadMemory.smallBlock + 100)
      await node.take(stream)
      sight = await node.until(stream) { $0.written.count > before || $0.isFinished }
      blocks += 1
    }
    #expect(try Self.replies(sight.written) == [.success(content)])
    await node.stop()
  }

  @Test func aMembershipThatEndsStopsTheBytes() async throws {
    let node = try ServingNode()
    let hash = try await node.store(PatternBytes.make(2_000_000)).hash
    let stream = await node.open({ FetchAnswers($0) }, room: 1)
    await node.send(try Self.request(hash, 0, 2_000_000), on: stream)
    let before = await node.until(stream) { !$0.written.isEmpty }
    await node.setMember(false)
    await node.take(stream)
    let after = await node.until(stream) { $0.hasEnded }
    #expect(after.written == before.written && after.isReset)
    #expect(after.notices == [AbortNotice(hash: hash, reason: .notAuthorized)])
    let stranger = await node.open { FetchAnswers($0) }
    await node.send(try Self.request(hash, 0, 1), on: stranger)
    let refused = await node.until(stranger) { !$0.written.isEmpty }
    #expect(try Self.replies(refused.written) == [.failure(.notAuthorized)])
    await node.stop()
  }

  /// At most one block is read ahead of the peer, and a peer that reads nothing for a minute is disconnected.
  @Test func aPeerThatReadsNothingOccupiesLittleAndIsDisconnected() async throws {
    let node = try ServingNode()
    let hash = try await node.store(PatternBytes.make(4_000_000)).hash
    let stream = await node.open({ FetchAnswers($0) }, room: 1)
    await node.send(try Self.request(hash, 0, 4_000_000), on: stream)
    let sight = await node.until(stream) { !$0.written.isEmpty }
    #expect(sight.written.count == 14 + Limits.blockSize)
    await node.look(stream, at: .zero)
    await node.look(stream, at: .seconds(59))
    #expect(await !node.see(stream).hasEnded)
    await node.take(stream)
    _ = await node.until(stream) { $0.written.count > sight.written.count }
    await node.look(stream, at: .seconds(60))
    #expect(await !node.see(stream).hasEnded, "it has read something")
    await node.look(stream, at: .seconds(120))
    let last = await node.see(stream)
    #expect(last.hasEnded && last.isReset && last.notices.isEmpty)
    await node.stop()
  }

  /// Its turn goes to other peers, whether it was active or waiting.
  @Test(arguments: [true, false]) func aPeerThatLeavesFreesItsTurn(isWaiting: Bool) async throws {
    let node = try ServingNode(turns: 1)
    let hash = try await node.store(PatternBytes.make(1_000_000)).hash
    if isWaiting { await node.takeAllTurns(1) }
    let first = await node.open { FetchAnswers($0) }
    await node.send(try Self.request(hash, 0, 1_000_000), on: first)
    await node.lose(first)
    #expect(await node.see(first).hasEnded)
    await node.endTurns()
    let second = await node.open { FetchAnswers($0) }
    await node.send(try Self.request(hash, 0, 1_000_000), on: second)
    _ = await node.until(second) { $0.written.count == 14 + 1_000_000 }
    #expect(await node.see(first).written.count <= 14 + 1_000_000)
    await node.stop()
  }

  /// 64 requests may wait; refusals that the peer does not read count as well.
  @Test func aPeerThatRequestsTooMuchLosesTheStream() async throws {
    let node = try ServingNode(turns: 1)
    await node.takeAllTurns(1)
    let request = try Self.request(.of([4]), 0, 1)
    let waiting = await node.open { FetchAnswers($0) }
    for _ in 0..<65 { await node.send(request, on: waiting) }
    #expect(await !node.see(waiting).hasEnded, "one is being served, 64 wait")
    await node.send(request, on: waiting)
    #expect(await node.see(waiting).isReset)
    await node.setMember(false)
    let refused = await node.open({ FetchAnswers($0) }, room: 100)
    for _ in 0..<200 { await node.send(request, on: refused) }
    let sight = await node.see(refused)
    #expect(sight.isReset && sight.written.count < 200)
    await node.stop()
  }

  /// Whatever arrives, the stream is served or ends.
  @Test(arguments: 0..<40) func noiseEndsTheStreamAtMost(seed: UInt64) async throws {
    let node = try ServingNode()
    let hash = try await node.store(PatternBytes.make(10_000)).hash
    var random = SeededRandom(seed: seed)
    var bytes = try (0..<8).flatMap { _ in try Self.request(hash, 0, UInt64(random.number(0...10_000))) }
    for _ in 0..<random.number(1...6) { bytes[random.number(0...bytes.count - 1)] = UInt8(random.number(0...255)) }
    let stream = await node.open { FetchAnswers($0) }
    for start in stride(from: 0, to: bytes.count, by: 37) {
      await node.send(Array(bytes[start..<min(start + 37, bytes.count)]), on: stream)
    }
    await node.finish(stream)
    _ = await node.until(stream) { $0.hasEnded }
    await node.stop()
  }
}
