import Testing

@testable import Links

/// Bytes of packets that a stream receives at once.
@Suite(.timeLimit(.minutes(1))) struct GatheredBytesTests {
  private final class Stream: GatheredBytes.Receiver {
    var received: [[UInt8]] = []
    func receive(_ bytes: UnsafeRawBufferPointer) { received.append(Array(bytes)) }
  }

  private let gathered = GatheredBytes()

  private func add(_ bytes: [UInt8], for stream: Stream) { bytes.withUnsafeBytes { gathered.add($0, for: stream) } }

  @Test func theyAreDeliveredAtOnceAndOnce() {
    let stream = Stream()
    add([1, 2], for: stream)
    add([], for: stream)
    add([3], for: stream)
    #expect(stream.received.isEmpty)
    gathered.deliver()
    gathered.deliver()
    #expect(stream.received == [[1, 2, 3]])
    add([4], for: stream)
    gathered.deliver()
    #expect(stream.received == [[1, 2, 3], [4]])
  }

  @Test func streamsReceiveInTheOrderOfThePackets() {
    let streams = [Stream(), Stream()]
    add([1], for: streams[0])
    add([2], for: streams[1])
    #expect(streams.map(\.received) == [[[1]], []])
    add([3], for: streams[0])
    #expect(streams.map(\.received) == [[[1]], [[2]]])
    gathered.deliver()
    #expect(streams.map(\.received) == [[[1], [3]], [[2]]])
  }

  @Test func noMoreIsHeldThanThereIsRoomFor() {
    let stream = Stream()
    let half = [UInt8](repeating: 7, count: GatheredBytes.capacity / 2)
    for bytes in [half, half, [8]] { add(bytes, for: stream) }
    #expect(stream.received == [half + half])
    let large = [UInt8](repeating: 9, count: GatheredBytes.capacity + 1)
    add(large, for: stream)
    #expect(stream.received == [half + half, [8], large])
    gathered.deliver()
    #expect(stream.received.count == 3)
  }

  /// A stream may be reset, and the link closed, by what it receives.
  @Test func whatIsDeliveredIsForgottenFirst() {
    final class Again: GatheredBytes.Receiver {
      let gathered: GatheredBytes
      var received = 0

      init(_ gathered: GatheredBytes) { self.gathered = gathered }

      func receive(_ bytes: UnsafeRawBufferPointer) {
        received += bytes.count
        gathered.deliver()
      }
    }
    let stream = Again(gathered)
    [UInt8](repeating: 1, count: 5).withUnsafeBytes { gathered.add($0, for: stream) }
    gathered.deliver()
    #expect(stream.received == 5)
  }
}
