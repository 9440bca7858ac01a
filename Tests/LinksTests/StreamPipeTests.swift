import EventLoop
import Primitives
import TLS
import TestSupport
import Testing

@testable import Links

/// Pipes over streams of another link: what a pipe promises, and what happens to the links on them when the outer link
/// breaks.
@Suite(.timeLimit(.minutes(2))) struct StreamPipeTests {
  /// Both ends of one pipe, and the link that carries it.
  private struct Ends {
    let loop: EventLoop
    let outer: OuterLink
    let near: StreamPipe
    let far: StreamPipe

    /// Calls back when the link has no open streams, or after 10 s, with their number.
    func whenReleased(tries: Int = 200, _ done: @escaping (Int) -> Void) {
      let open = outer.openStreams
      guard open > 0, tries > 0 else { return done(open) }
      _ = loop.after(.milliseconds(50)) { whenReleased(tries: tries - 1, done) }
    }
  }

  /// Runs `body` on a loop with a pipe, and shows that nothing is left open.
  private func withPipe<T: Sendable>(
    seed: UInt64 = 1, _ body: @escaping @Sendable (Ends, @escaping @Sendable (T) -> Void) -> Void
  ) async throws -> T {
    let loop = try EventLoop(name: "pipe")
    let result: T? = await withCheckedContinuation { continuation in
      loop.post {
        guard let outer = try? OuterLink(loop: loop, seed: seed) else { return continuation.resume(returning: nil) }
        var near: StreamPipe?
        outer.onPipe = { far in
          guard let near else { return continuation.resume(returning: nil) }
          // Only kept, and released on the loop.
          nonisolated(unsafe) let kept = outer
          body(Ends(loop: loop, outer: outer, near: near, far: far)) { result in
            _ = kept
            continuation.resume(returning: result)
          }
        }
        outer.open { near = $0 }
      }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    return try #require(result)
  }

  @Test func aPipeThatIsNotReadHoldsBackTheOtherEnd() async throws {
    let bytes = PatternBytes.make(2 << 20)
    let (held, received, drains): (Int, [UInt8], Int) = try await withPipe { ends, done in
      var received: [UInt8] = []
      var held: Int?
      var drains = 0
      ends.near.onDrain = { drains += 1 }
      ends.far.onData = { data in
        received += data
        guard received.count == bytes.count else { return }
        let count = held ?? -1
        _ = ends.loop.after(.milliseconds(5)) { done((count, received, drains)) }
      }
      bytes.withUnsafeBytes { ends.near.write($0) }
      _ = ends.loop.after(.milliseconds(50)) {
        held = ends.near.pendingBytes
        ends.far.resumeReading()
      }
    }
    #expect(held == bytes.count - 256 << 10)
    #expect(received == bytes)
    #expect(drains == 1)
  }

  @Test func theFirstBytesComeFirstAndTheEndLast() async throws {
    let (received, end): ([UInt8], Bool) = try await withPipe { ends, done in
      let stream = MutedStream()
      let pipe = StreamPipe(over: stream, first: [1, 2, 3], loop: ends.loop)
      var received: [UInt8] = []
      pipe.onData = { received += $0 }
      pipe.onEnd = { error in
        _ = (ends, pipe)
        done((received, error == nil))
      }
      stream.receive([4, 5])
      stream.end(.finished)
      pipe.resumeReading()
      if !received.isEmpty { done((received, false)) }
    }
    #expect(received == [1, 2, 3, 4, 5])
    #expect(end)
  }

  /// Whatever the stream does inside a call, the pipe's closures run later.
  @Test func closuresNeverRunInsideACall() async throws {
    let (inside, told): ([String], [String]) = try await withPipe { ends, done in
      let stream = MutedStream()
      let pipe = StreamPipe(over: stream, first: [1], loop: ends.loop)
      var isInCall = false
      var inside: [String] = []
      var told: [String] = []
      func tell(_ what: String) {
        told.append(what)
        if isInCall { inside.append(what) }
      }
      func call(_ body: () -> Void) {
        isInCall = true
        body()
        isInCall = false
      }
      pipe.onData = { tell("data \($0.count)") }
      pipe.onDrain = {
        tell("drain")
        _ = ends.loop.after(.zero) {
          stream.onWrite = { stream.end(.linkClosed) }
          call { [9].withUnsafeBytes { pipe.write($0) } }
        }
      }
      pipe.onEnd = { _ in
        tell("end")
        _ = (ends, pipe)
        done((inside, told))
      }
      call { pipe.resumeReading() }
      call { [7].withUnsafeBytes { pipe.write($0) } }
      stream.onWrite = {
        stream.take()
        stream.receive([2, 3])
      }
      call { [8].withUnsafeBytes { pipe.write($0) } }
    }
    #expect(inside == [])
    #expect(told.filter { $0.first != "d" || $0 == "drain" } == ["drain", "end"], "\(told)")
    #expect(told.contains { $0.hasPrefix("data") })
  }

  @Test func aClosedPipeReleasesItsStream() async throws {
    let (before, after): (Int, Int) = try await withPipe { ends, done in
      let before = ends.outer.openStreams
      [UInt8](repeating: 1, count: 1_000).withUnsafeBytes { ends.near.write($0) }
      ends.far.onEnd = { error in
        guard error == nil else { return done((before, -1)) }
        ends.whenReleased { done((before, $0)) }
      }
      ends.far.resumeReading()
      ends.near.close()
      ends.near.close()
    }
    #expect(before == 2 && after == 0)
  }

  /// The other end never closes: the stream is given up, and what was sent before arrives.
  @Test func aPipeWhoseOtherEndStaysOpenIsGivenUp() async throws {
    let (received, open): (Int, Int) = try await withPipe { ends, done in
      var received = 0
      // The end waits behind the bytes, and the pipe is paused before it could learn of it.
      ends.far.onData = { bytes in
        received += bytes.count
        ends.far.pauseReading()
      }
      ends.far.resumeReading()
      [UInt8](repeating: 1, count: 1_000).withUnsafeBytes { ends.near.write($0) }
      ends.near.close()
      _ = ends.loop.after(StreamPipe.lingerTime) { ends.whenReleased { done((received, $0)) } }
    }
    #expect(received == 1_000)
    #expect(open == 0)
  }

  /// The outer link is cut while links over it shake hands, or later; each end of the inner link reports the end once.
  @Test(arguments: Array(stride(from: 0, to: 120, by: 20)))
  func aCutOfTheOuterLinkIsToldOnce(first: Int) async throws {
    let wrong = try await wrongSeeds(first..<first + 20) { wire, seed in
      var random = SeededRandom(seed: UInt64(seed))
      let count = seed.isMultiple(of: 2) ? random.number(0...4_000) : random.number(4_000...60_000)
      wire.cut(afterBytes: wire.deliveredBytes + count)
    }
    #expect(wrong == [])
  }

  /// A byte of the outer link is another than was sent.
  @Test func aDamagedOuterLinkIsToldOnce() async throws {
    let wrong = try await wrongSeeds(0..<60) { wire, seed in wire.damage(byte: wire.deliveredBytes + 37 * seed) }
    #expect(wrong == [])
  }

  /// Runs a link over an outer link for each seed, and returns the seeds whose ends came out wrong.
  private func wrongSeeds(
    _ seeds: Range<Int>, _ breaking: @escaping @Sendable (MemoryWire, Int) -> Void
  ) async throws -> [String] {
    var wrong: [String] = []
    for seed in seeds {
      let outcomes: [BrokenWire.Outcome] = try await withPipe(seed: UInt64(seed)) { ends, done in
        let broken = try? BrokenWire(
          loop: ends.loop, pipes: (ends.near, ends.far), wire: ends.outer.wire, scratch: ScratchBuffer(),
          bytesPerStream: 20_000, handshakeTime: .seconds(5))
        guard let broken else { return done([]) }
        breaking(ends.outer.wire, seed)
        broken.run { done(broken.outcomes) }
      }
      if outcomes.count != 2 || !outcomes.allSatisfy(\.isRight) { wrong.append("\(seed): \(outcomes)") }
    }
    return wrong
  }
}

/// A stream whose other end is the test.
private final class MutedStream: ByteStream {
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onEnd: ((LinkStreamEnd) -> Void)?
  var onWritable: (() -> Void)?
  var onSent: (() -> Void)?
  /// Runs inside each write.
  var onWrite: () -> Void = {}
  private(set) var queuedBytes = 0

  var isWritable: Bool { true }

  func write(_ bytes: [UInt8]) {
    queuedBytes += bytes.count
    onWrite()
  }

  func consumed(_ count: Int) {}
  func finish() {}
  func reset() { (onData, onEnd, onWritable, onSent) = (nil, nil, nil, nil) }

  func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { onData?($0) } }

  func end(_ end: LinkStreamEnd) {
    let tell = onEnd
    onEnd = nil
    tell?(end)
  }

  func take() {
    queuedBytes = 0
    onSent?()
  }
}
