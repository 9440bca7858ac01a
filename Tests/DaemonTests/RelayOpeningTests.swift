import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// The opener's side of a relayed link.
@Suite struct RelayOpeningTests {
  private final class Opening {
    let stream = MemoryStream()
    private(set) var answers: [RelayStatus?] = []
    private(set) var received: [UInt8] = []
    private(set) var ends: [LinkStreamEnd] = []
    private(set) var window: Int?
    private(set) var opening: RelayOpening?
    var onAnswer: () -> Void = {}

    init() {
      let opening = RelayOpening(to: .filled(with: 4), over: .filled(with: 7)) { window in
        self.window = window
        return self.stream
      } onAnswer: { [unowned self] in
        answers.append($0)
        onAnswer()
      }
      opening.onData = { [unowned self] in
        received += $0
        self.opening?.consumed($0.count)
      }
      opening.onEnd = { [unowned self] in ends.append($0) }
      self.opening = opening
    }

    func write(_ bytes: [UInt8]) { opening?.write(bytes) }
    func reset() { opening?.reset() }
  }

  private static let request =
    [StreamKind.relay.rawValue] + RelayRequest(topic: .filled(with: 7), target: .filled(with: 4)).encoded
  private static let granted = RelayAnswer(.granted).encoded

  @Test func bytesFollowTheRequestImmediatelyAndTheAnswerIsStripped() {
    let opening = Opening()
    opening.write([1, 2])
    #expect(opening.stream.written == Self.request + [1, 2])
    #expect(opening.window == RelayWindow.first)
    opening.stream.receive(Array(Self.granted.prefix(3)))
    #expect(opening.answers.isEmpty)
    opening.stream.receive(Self.granted.dropFirst(3) + [3, 4])
    opening.stream.receive([5])
    #expect(opening.answers == [.granted] && opening.received == [3, 4, 5] && opening.ends == [])
    #expect(opening.stream.consumedBytes == Self.granted.count + 3, "each byte once")
    opening.stream.end(.finished)
    #expect(opening.ends == [.finished] && opening.answers.count == 1)
  }

  @Test func theAnswerSaysWhereTheTargetIsSeen() throws {
    let place = try #require(Endpoint("192.0.2.1:7"))
    let opening = Opening()
    opening.stream.receive(RelayAnswer(.granted, seenAt: [place]).encoded)
    #expect(opening.opening?.seenAt == [place])
  }

  @Test(arguments: RelayStatus.allCases.filter { $0 != .granted }) func aRefusalEndsTheStream(status: RelayStatus) {
    let opening = Opening()
    opening.stream.receive(RelayAnswer(status).encoded + [1, 2, 3])
    #expect(opening.answers == [status] && opening.ends == [.reset] && opening.received == [])
    #expect(opening.stream.isReset)
  }

  @Test(arguments: [LinkStreamEnd.finished, .reset, .linkClosed]) func anEndWithoutAnAnswerIsReported(
    end: LinkStreamEnd
  ) {
    let opening = Opening()
    opening.stream.end(end)
    #expect(opening.answers == [nil] && opening.ends == [end])
  }

  @Test func nothingIsReportedAfterAReset() {
    let opening = Opening()
    opening.onAnswer = { [unowned opening] in opening.reset() }
    opening.stream.receive(RelayAnswer(.refused).encoded)
    #expect(opening.answers == [.refused] && opening.ends == [] && opening.stream.isReset)
    let other = Opening()
    other.reset()
    other.stream.receive(Self.granted)
    other.stream.end(.linkClosed)
    #expect(other.answers.isEmpty && other.ends.isEmpty)
  }

  @Test(arguments: 0..<200) func noiseInPlaceOfAnAnswerEndsTheStreamAtMost(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let opening = Opening()
    opening.stream.receive(random.mutated(Self.granted + random.bytes(random.number(0...30))))
    opening.stream.end(.finished)
    #expect(opening.answers.count == 1 && opening.ends.count == 1, "seed \(seed)")
    #expect(opening.answers == [.granted] || opening.received == [], "seed \(seed)")
  }
}
