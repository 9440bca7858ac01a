import TestSupport
import Testing

@testable import QUIC

@Suite struct QUICSendBufferTests {
  @Test(arguments: 1...20) func bytesLeaveInOrderAndAreReleasedInOrder(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var buffer = QUICSendBuffer()
    var (written, sent): ([UInt8], [UInt8]) = ([], [])
    var acknowledged = 0
    for _ in 0..<1_000 {
      switch random.number(0...2) {
      case 0:
        let bytes = random.bytes(random.number(0...300))
        written += bytes
        buffer.append(bytes)
      case 1:
        let next = buffer.unsent
        let count = random.number(0...next.count)
        sent += next.prefix(count)
        buffer.sent(count)
      default:
        let count = random.number(0...buffer.unacknowledgedBytes)
        acknowledged += count
        buffer.acknowledged(count)
      }
      #expect(buffer.unsentBytes == written.count - sent.count, "seed \(seed)")
      #expect(buffer.unacknowledgedBytes == sent.count - acknowledged, "seed \(seed)")
    }
    #expect(written.starts(with: sent), "seed \(seed)")
  }

  @Test func bytesStayInPlaceUntilTheyAreAcknowledged() {
    var buffer = QUICSendBuffer()
    buffer.append([1, 2, 3])
    let first = buffer.unsent
    buffer.sent(3)
    for number in 0..<1_000 {
      buffer.append([UInt8(truncatingIfNeeded: number)])
      buffer.sent(1)
    }
    #expect(Array(first) == [1, 2, 3])
    buffer.acknowledged(1_003)
    #expect(buffer.unacknowledgedBytes == 0 && buffer.unsent.isEmpty)
  }
}
