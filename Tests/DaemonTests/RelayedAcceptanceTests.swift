import EventLoop
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon
@testable import Links

/// What a node does with links that others open through a relay.
@Suite(.timeLimit(.minutes(1))) struct RelayedAcceptanceTests {
  private static let request = RelayedRequest(topic: .filled(with: 7), opener: .filled(with: 4))
  private static let relay = LinkID(number: 3)

  /// Runs `body` on a loop with an acceptance that wants everything; `body` calls `done` with what it found.
  private func withAcceptance<T: Sendable>(
    requestTime: Duration = .seconds(60),
    _ body: @escaping @Sendable (RelayedAcceptance, EventLoop, @escaping @Sendable (T) -> Void) -> Void
  ) async throws -> T {
    let loop = try EventLoop(name: "acceptance")
    let result: T = await withCheckedContinuation { continuation in
      loop.post {
        let acceptance = RelayedAcceptance(loop: loop, requestTime: requestTime)
        acceptance.wants = { _, _ in true }
        // Only kept, and released on the loop.
        nonisolated(unsafe) let kept = acceptance
        body(acceptance, loop) { result in
          kept.stop()
          continuation.resume(returning: result)
        }
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    return result
  }

  /// The request may arrive in pieces, and bytes of the link with it.
  @Test(arguments: [0, 5, 70, 200]) func aWantedLinkBecomesAPipe(cut: Int) async throws {
    let bytes = Self.request.encoded + PatternBytes.make(1_000)
    let (written, received, consumed, asked): ([UInt8], [UInt8], Int, Bool) = try await withAcceptance {
      acceptance, loop, done in
      let stream = MemoryStream()
      var received: [UInt8] = []
      var asked = false
      acceptance.wants = { request, relay in
        asked = request == Self.request && relay == Self.relay
        return true
      }
      acceptance.onPipe = { pipe, request, relay in
        asked = asked && request == Self.request && relay == Self.relay
        pipe.onData = { data in
          received += data
          guard received.count == 1_003 else { return }
          _ = loop.after(.milliseconds(1)) {
            _ = pipe
            done((stream.written, received, stream.consumedBytes, asked))
          }
        }
        pipe.resumeReading()
      }
      acceptance.accept(stream, first: Array(bytes.prefix(cut)), over: Self.relay)
      stream.receive(Array(bytes.dropFirst(cut)))
      stream.receive([1, 2, 3])
    }
    #expect(written == RelayAnswer(.granted).encoded)
    #expect(received == PatternBytes.make(1_000) + [1, 2, 3])
    #expect(consumed == bytes.count - cut + 3, "each byte once, and none of the first")
    #expect(asked)
  }

  @Test(arguments: [(RelayFrame.link, RelayStatus.refused), (RelayFrame.lane, .refused), (2, .doesNotRelay)])
  func anUnwantedLinkIsRefused(use: UInt8, status: RelayStatus) async throws {
    let (written, before, after): ([UInt8], Bool, Bool) = try await withAcceptance { acceptance, _, done in
      let stream = MemoryStream()
      acceptance.wants = { _, _ in false }
      let request = RelayedRequest(topic: .filled(with: 7), opener: .filled(with: 4), use: use)
      acceptance.accept(stream, first: request.encoded, over: Self.relay)
      let before = stream.isReset
      stream.takeAll()
      done((stream.written, before, stream.isReset))
    }
    #expect(written == RelayAnswer(status).encoded)
    #expect(!before && after)
  }

  @Test func garbageAndEndsAreForgotten() async throws {
    let (waiting, resets): (Int, [Bool]) = try await withAcceptance { acceptance, _, done in
      let streams = (0..<5).map { _ in MemoryStream() }
      for stream in streams { acceptance.accept(stream, first: [], over: Self.relay) }
      streams[0].receive([0xff, 0xff, 0xff, 0xff])
      streams[1].receive(RelayAnswer(.granted).encoded)
      streams[2].receive([0, 0])
      streams[2].end(.finished)
      streams[3].end(.linkClosed)
      done((acceptance.waitingCount, streams.map(\.isReset)))
    }
    #expect(waiting == 1)
    #expect(resets == [true, true, true, true, false])
  }

  @Test func aRelayThatSendsNoRequestIsGivenUp() async throws {
    let (early, late): (Bool, Bool) = try await withAcceptance(requestTime: .milliseconds(20)) {
      acceptance, loop, done in
      let stream = MemoryStream()
      acceptance.accept(stream, first: [0], over: Self.relay)
      let early = stream.isReset
      _ = loop.after(.milliseconds(40)) {
        _ = acceptance
        done((early, stream.isReset))
      }
    }
    #expect(!early && late)
  }

  @Test func aLinkMayHaveSixtyFourStreamsWithoutRequests() async throws {
    let (resets, other, later): ([Bool], Bool, Bool) = try await withAcceptance { acceptance, _, done in
      let streams = (0...RelayedAcceptance.maximumWaiting).map { _ in MemoryStream() }
      for stream in streams { acceptance.accept(stream, first: [], over: Self.relay) }
      let (other, later) = (MemoryStream(), MemoryStream())
      acceptance.accept(other, first: [], over: LinkID(number: 4))
      streams[0].end(.reset)
      acceptance.accept(later, first: [], over: Self.relay)
      done((streams.dropFirst().map(\.isReset), other.isReset, later.isReset))
    }
    #expect(resets == Array(repeating: false, count: RelayedAcceptance.maximumWaiting - 1) + [true])
    #expect(!other && !later)
  }

  @Test(arguments: 0..<100) func noiseDoesNoHarm(seed: UInt64) async throws {
    let (waiting, pipes): (Int, Int) = try await withAcceptance { acceptance, _, done in
      var random = SeededRandom(seed: seed)
      var pipes = 0
      acceptance.onPipe = { pipe, _, _ in
        pipes += 1
        pipe.close()
      }
      let stream = MemoryStream()
      let bytes = random.mutated(Self.request.encoded + random.bytes(20))
      acceptance.accept(stream, first: [], over: Self.relay)
      for byte in bytes { stream.receive([byte]) }
      stream.end(.reset)
      done((acceptance.waitingCount, pipes))
    }
    #expect(waiting == 0 && pipes <= 1, "seed \(seed)")
  }
}
