import APIModel
import Primitives
import TestSupport
import Testing

@Suite struct EventStreamDecoderTests {
  private let stream =
    Array(": hello\n\n".utf8) + EventStream.event("status", Array(#"{"a":1}"#.utf8))
    + Array("data: {}\n\n".utf8) + EventStream.event("peers", Array(#"{"peers":["é"]}"#.utf8))

  @Test func eventsArriveInAnyPieces() throws {
    for cut in 0...stream.count {
      for second in stride(from: cut, through: stream.count, by: 7) {
        var decoder = EventStreamDecoder()
        var events = try decoder.receive(stream[..<cut])
        events += try decoder.receive(stream[cut..<second])
        events += try decoder.receive(stream[second...])
        #expect(events.map(\.name) == ["status", "peers"])
        #expect(events.map(\.data) == [["a": 1], ["peers": ["é"]]])
      }
    }
  }

  @Test func anEventThatIsNoJSONOrTooLargeIsRefused() {
    var decoder = EventStreamDecoder()
    #expect(throws: KacheryError.self) { try decoder.receive(Array("event: a\ndata: {\n\n".utf8)) }
    var endless = EventStreamDecoder()
    #expect(throws: KacheryError.self) {
      try endless.receive([UInt8](repeating: 0x61, count: EventStream.largestEvent + 1))
    }
  }

  /// Whatever arrives, it yields events or an error, and the same in one piece as byte by byte.
  @Test func randomBytesAreDecodedOrRefused() {
    var random = SeededRandom(seed: 7)
    let pieces = ["event: a\n", "data: {}", "data: [", "\n", "\n\n", ":", "event: ", "data: 1\n\n", "\u{0}", "é"]
    for _ in 0..<2_000 {
      let bytes = (0..<8).flatMap { _ in Array((pieces.randomElement(using: &random) ?? "").utf8) }
      var whole = EventStreamDecoder()
      var single = EventStreamDecoder()
      let expected = Result { try whole.receive(bytes).map(\.name) }
      let found = Result { try bytes.flatMap { try single.receive([$0]).map(\.name) } }
      #expect((try? expected.get()) == (try? found.get()))
    }
  }
}
