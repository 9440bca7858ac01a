import Primitives
import TestSupport
import Testing
import Wire

@Suite struct PresenceRecordTests {
  private func read(_ fields: [UInt8]) throws -> PresenceRecord {
    try PresenceRecord(body: Self.record([]).body + fields, signature: [UInt8](repeating: 0, count: 64))
  }

  private static func record(_ addresses: [Address]) -> PresenceRecord {
    PresenceRecord(
      node: .filled(with: 4), topic: .filled(with: 7), addresses: addresses, issued: WallTime(milliseconds: 1),
      expires: WallTime(milliseconds: 2))
  }

  private static func field(_ kind: UInt8, _ content: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.integer(kind)
    writer.bytes(content)
    return writer.bytes
  }

  private static let address: [UInt8] = Address("192.0.2.1:80")?.encoded ?? []

  @Test func whatIsUnknownIsKeptByteForByte() throws {
    let unknown = Self.field(200, [1, 2, 3]) + Self.field(1, [99, 0]) + Self.field(1, Self.address)
    let record = try read(unknown)
    #expect(record.addresses == [Address("192.0.2.1:80")])
    #expect(record.body.suffix(unknown.count) == unknown[...])
    #expect(Array(record.signedBytes.suffix(unknown.count)) == unknown)
  }

  /// Addresses of unknown transports count, too.
  @Test func limitsAreChecked() throws {
    #expect(try read((0..<16).flatMap { _ in Self.field(1, [99]) }).addresses.isEmpty)
    #expect(throws: ByteReaderError.tooLong) { try read((0..<17).flatMap { _ in Self.field(1, [99]) }) }
    let relay = Self.field(2, [UInt8](repeating: 1, count: 32))
    #expect(try read(relay + relay + relay + relay).relays.count == 4)
    #expect(throws: ByteReaderError.tooLong) { try read(relay + relay + relay + relay + relay) }
    #expect(throws: ByteReaderError.truncated) { try read([1, 0, 9, 1]) }
    #expect(throws: ByteReaderError.truncated) { try read(Self.field(1, [])) }
    #expect(throws: ByteReaderError.truncated) { try read(Self.field(2, [1])) }
    #expect(throws: ByteReaderError.truncated) { try read(Self.field(3, [1])) }
    #expect(throws: ByteReaderError.malformed) {
      try PresenceRecord(body: [0] + Self.record([]).body.dropFirst(), signature: [])
    }
  }

  @Test func aRecordHasAtMost1024Bytes() throws {
    let long = try (0..<20).map { number in
      try #require(Address("\(String(repeating: "h", count: 250)):\(number + 1)"))
    }
    let record = Self.record(long)
    #expect(record.addresses == Array(long.prefix(3)))
    #expect(record.body.count <= WireLimits.presenceBody)
    let short = try (0..<20).map { try #require(Address("[2001:db8:1111:2222:3333:4444:5555:6666]:\($0 + 1)")) }
    #expect(Self.record(short).addresses == Array(short.prefix(16)))
  }

  @Test(arguments: [
    "192.0.2.1:80", "[2001:db8::1]:80", "quic://192.0.2.1:80", "ws://a.example:80", "wss://a.example:443",
    "relay://" + String(repeating: "ab", count: 32),
  ])
  func anAddressIsWrittenAsItIsRead(text: String) throws {
    let address = try #require(Address(text))
    #expect(address.description == text)
    #expect(try Address.decode(address.encoded) == address)
    // A later version may append to an address, such as the path of a WebSocket.
    #expect(try Address.decode(address.encoded + [1, 2]) == address)
    #expect(Address("tcp://192.0.2.1:80") == Address("192.0.2.1:80"))
  }

  @Test(arguments: ["", "quic://", "quic://a", "relay://a:1", "tcp://a:0", "http://a:1"])
  func wrongAddresses(text: String) { #expect(Address(text) == nil) }
}
