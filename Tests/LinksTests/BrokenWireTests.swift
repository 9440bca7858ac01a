import EventLoop
import Mux
import Primitives
import TLS
import TestSupport
import Testing

@testable import Links

/// Wires that are cut, damaged, or carry garbage: each end is told exactly once, and nothing crashes.
@Suite(.timeLimit(.minutes(3))) struct BrokenWireTests {
  /// Runs a wire for each seed, all of them concurrently, and returns the seeds whose ends came out wrong.
  ///
  /// - Parameter mustCut: whether each wire must have been cut when it is over.
  private func wrongSeeds(
    _ seeds: some Sequence<Int> & Sendable, bytesPerStream: Int = 2_000, handshakeTime: Duration = .seconds(60),
    mustCut: Bool = false, _ breaking: @escaping @Sendable (BrokenWire, Int) -> Void
  ) async throws -> [String] {
    let loop = try EventLoop(name: "wires")
    let wrong: [String] = await withCheckedContinuation { continuation in
      loop.post {
        let scratch = ScratchBuffer()
        var wrong: [String] = []
        var running = 1
        func ended() {
          running -= 1
          if running == 0 { continuation.resume(returning: wrong) }
        }
        for seed in seeds {
          guard
            let broken = try? BrokenWire(
              loop: loop, seed: UInt64(seed), scratch: scratch, bytesPerStream: bytesPerStream,
              handshakeTime: handshakeTime)
          else {
            wrong.append("\(seed): no keys")
            continue
          }
          running += 1
          breaking(broken, seed)
          broken.run {
            let isRight = broken.outcomes.allSatisfy(\.isRight) && (broken.wire.isCut || !mustCut)
            if !isRight { wrong.append("\(seed): \(broken.outcomes)") }
            ended()
          }
        }
        ended()
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    return wrong
  }

  /// The length of a handshake, by a wire without faults.
  private func handshakeBytes() async throws -> Int {
    let loop = try EventLoop(name: "wires")
    let count: Int? = await withCheckedContinuation { continuation in
      loop.post {
        let broken = try? BrokenWire(loop: loop, seed: 1, scratch: ScratchBuffer(), bytesPerStream: 2_000)
        guard let broken else { return continuation.resume(returning: nil) }
        broken.run { continuation.resume(returning: broken.handshakeBytes) }
      }
    }
    await loop.shutdown()
    return try #require(count)
  }

  @Test(arguments: Array(stride(from: 0, to: 2_000, by: 250)))
  func aCutAfterAnyOfTheFirstBytesIsToldOnce(first: Int) async throws {
    let wrong = try await wrongSeeds(first..<first + 250, mustCut: true) { $0.wire.cut(afterBytes: $1) }
    #expect(wrong == [])
  }

  @Test func aCutAtAnyLaterTimeIsToldOnce() async throws {
    // In groups: with all wires at once, some could wait so long for their turns that they count as silent.
    for first in stride(from: 0, to: 100, by: 20) {
      let wrong = try await wrongSeeds(first..<first + 20, bytesPerStream: 100_000, mustCut: true) { broken, seed in
        var random = SeededRandom(seed: UInt64(seed))
        broken.wire.cut(afterBytes: random.number(2_000...500_000))
      }
      #expect(wrong == [])
    }
  }

  /// One byte of the handshake is another than was sent. Some of them do not matter, and then there is a link.
  @Test func aDamagedHandshakeIsToldOnce() async throws {
    let length = try await handshakeBytes()
    #expect(length > 1_000)
    // A wrong length may make an end wait for bytes that the other does not send: its deadline ends that.
    for first in stride(from: 0, to: length, by: 300) {
      let bytes = Array(stride(from: first, to: min(first + 300, length), by: 3))
      let wrong = try await wrongSeeds(bytes, handshakeTime: .milliseconds(500)) { $0.wire.damage(byte: $1) }
      #expect(wrong == [])
    }
  }

  /// One byte of what a link sends is another than was sent: the session notices.
  @Test func aDamagedLinkIsToldOnce() async throws {
    let length = try await handshakeBytes()
    let wrong = try await wrongSeeds(0..<200, bytesPerStream: 100_000) { broken, seed in
      // Later a wrong length could make an end wait for bytes that nobody sends.
      broken.wire.damage(byte: length + 250 * seed)
    }
    #expect(wrong == [])
  }

  @Test func garbageAfterTheHandshakeIsToldOnce() async throws {
    let length = try await handshakeBytes()
    let wrong = try await wrongSeeds(0..<100, bytesPerStream: 50_000) { broken, seed in
      var random = SeededRandom(seed: UInt64(seed))
      let garbage = random.bytes(random.number(20_000...60_000))
      let at = random.number(length...length + 50_000)
      broken.wire.onDelivered(at) { [weak broken] in broken?.inject(garbage, at: seed % 2) }
    }
    #expect(wrong == [])
  }

  /// A peer that proves its ID and then sends frames of which some bytes are wrong.
  @Test func brokenFramesAreToldOnce() async throws {
    let loop = try EventLoop(name: "wires")
    let identities = try TestIdentities.shared.get()
    for seed in UInt64(0)..<200 {
      let closings: Int = await withCheckedContinuation { continuation in
        loop.post { RogueFrames.send(loop: loop, seed: seed, identities) { continuation.resume(returning: $0) } }
      }
      #expect(closings == 1, "seed \(seed)")
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }
}

/// A peer without a carrier: it speaks TLS, and sends whatever frames it likes.
private enum RogueFrames {
  /// Sends mutated frames, then ends the session in order; calls `done` with how often the link was closed.
  static func send(loop: EventLoop, seed: UInt64, _ identities: TestIdentities, _ done: @escaping (Int) -> Void) {
    var random = SeededRandom(seed: seed)
    var session = MuxSession(role: .client)
    var frames: [UInt8] = []
    for _ in 0..<random.number(1...5) {
      guard let id = session.openStream() else { continue }
      let bytes = random.bytes(random.number(1...2_000))
      session.dataHeader(on: id, count: bytes.count)
      session.takeOutput(into: &frames)
      frames += bytes
      if random.chance(50) { session.finish(id) }
      _ = session.ping()
      session.takeOutput(into: &frames)
    }
    let mutated = random.mutated(frames)
    let (near, far) = MemoryWire.pair(on: loop, seed: seed)
    guard
      let rogue = try? TLSChannel(
        over: near, identity: identities.dialer, isDialer: true, expectedPeer: nil, scratch: ScratchBuffer())
    else { return done(-1) }
    rogue.onEstablished = { [weak rogue] _ in
      mutated.withUnsafeBytes { rogue?.write($0) }
      rogue?.finish()
    }
    let handshake = LinkHandshake(
      loop: loop,
      handshake: PipeHandshake(
        loop: loop, pipe: far, identity: identities.listener, scratch: ScratchBuffer(), isDialer: false,
        expectedPeer: nil),
      isIncoming: true)
    var closings = 0
    handshake.start(timeout: .seconds(10)) { result in
      guard let link = try? result.get() else { return done(-1) }
      link.onStream = { echo($0) }
      link.onClose = { _ in
        closings += 1
        _ = (link, handshake)
        _ = loop.after(.milliseconds(1)) {
          rogue.close()
          done(closings)
        }
      }
    }
    rogue.start()
  }
}
