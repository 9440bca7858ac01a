import Glibc
import Primitives
import TestSupport
import Testing
import Wire

@Suite struct FrameTests {
  /// However the bytes are cut, the decoder returns the same frames, and leaves the bytes that follow.
  @Test(arguments: UInt64(0)..<10)
  func framesComeOutAsTheyWentIn(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let bodies = (0..<50).map { _ in random.bytes(random.number(0...300)) }
    var stream = bodies.enumerated().flatMap { number, body in Frame.encode(UInt8(number)) { $0.raw(body) } }
    stream += [0, 0]
    var decoder = FrameDecoder(limit: 1_000)
    var frames: [Frame] = []
    var rest = stream[...]
    while !rest.isEmpty {
      let piece = rest.prefix(random.number(1...500))
      rest = rest.dropFirst(piece.count)
      decoder.append(piece)
      while let frame = try decoder.next() { frames.append(frame) }
    }
    #expect(frames.map { Array($0.body) } == bodies, "seed \(seed)")
    #expect(frames.map(\.type) == (0..<50).map { UInt8($0) }, "seed \(seed)")
    #expect(decoder.takeRest() == [0, 0])
    #expect(decoder.takeRest() == [])
  }

  @Test func aFrameThatIsTooLongOrHasNoTypeIsRefused() {
    for (bytes, error) in [([0, 0, 1, 0], WireError.frameTooLong), ([0, 0, 0, 0], .malformed(.truncated))] {
      var decoder = FrameDecoder(limit: 255)
      decoder.append([0, 0, 0, 1, 9])
      decoder.append(bytes.map { UInt8($0) })
      #expect(throws: Never.self) { _ = try decoder.next() }
      #expect(throws: error) { try decoder.next() }
    }
  }

  /// Frames that arrive together cost no more than those that arrive a few at a time.
  @Test func manySmallFramesCostNoMoreEachThanOne() throws {
    let some = Array(repeatElement([0, 0, 0, 1, 9] as [UInt8], count: 500).joined())
    let all = Array(repeatElement(some, count: 200).joined())
    let apart = try cost(of: Array(repeating: some, count: 200))
    let together = try cost(of: [all])
    #expect(together < 3 * apart, "\(together) and \(apart) seconds")
  }

  /// Seconds of this thread's time for decoding.
  private func cost(of pieces: [[UInt8]]) throws -> Double {
    var decoder = FrameDecoder(limit: 255)
    var count = 0
    let begin = threadTime()
    for piece in pieces {
      decoder.append(piece)
      while try decoder.next() != nil { count += 1 }
    }
    #expect(count == 100_000)
    return threadTime() - begin
  }

  private func threadTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
