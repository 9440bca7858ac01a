import Primitives
import TestSupport
import Testing

/// Addresses as text, and back.
@Suite struct AddressTextTests {
  @Test(arguments: [
    ("192.0.2.1", "192.0.2.1"), ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:db8::", "2001:db8::"),
    ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("0:0:1:0:0:0:0:1", "0:0:1::1"), ("::ffff:192.0.2.1", "192.0.2.1"),
  ])
  func textIsThatOfTheKernel(text: String, expected: String) throws {
    #expect(try #require(IPAddress(text)).description == expected)
  }

  @Test(arguments: 0..<200 as Range<UInt64>) func anyAddressSurvives(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var bytes = random.bytes(random.chance(30) ? 4 : 16)
    for _ in 0..<random.number(0...12) { bytes[random.number(0...bytes.count - 1)] = 0 }
    let address = try #require(IPAddress(bytes: bytes))
    #expect(IPAddress(address.description) == address, "seed \(seed)")
  }

  @Test(arguments: [0, 3, 5, 15, 17]) func otherNumbersOfBytesAreNone(count: Int) {
    #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
  }
}
