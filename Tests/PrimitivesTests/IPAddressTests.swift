import Primitives
import TestSupport
import Testing

@Suite struct IPAddressTests {
  @Test(arguments: [
    ("127.0.0.1", IPAddress.Scope.loopback), ("10.1.2.3", .site), ("172.16.0.1", .site), ("172.31.255.255", .site),
    ("192.168.1.1", .site), ("100.64.0.1", .site), ("172.32.0.1", .global), ("8.8.8.8", .global),
    ("0.0.0.0", .unusable),
    ("169.254.1.1", .unusable), ("224.0.0.1", .unusable), ("255.255.255.255", .unusable), ("::1", .loopback),
    ("::", .unusable), ("fe80::1", .unusable), ("ff02::1", .unusable), ("fd12:3456::1", .site),
    ("2001:db8::1", .global),
    ("2A00:1450:4001:82a::200e", .global), ("::ffff:127.0.0.1", .loopback), ("::ffff:10.0.0.1", .site),
    ("64:ff9b::1", .unusable),
  ])
  func anAddressHasAScope(text: String, scope: IPAddress.Scope) throws {
    #expect(try #require(IPAddress(text)).scope == scope)
  }

  @Test(arguments: ["169.254.0.1", "169.254.255.255", "fe80::1", "febf:ffff::1"])
  func aLinkLocalAddressIsKnown(text: String) throws { #expect(try #require(IPAddress(text)).isLinkLocal) }

  @Test(arguments: ["169.255.0.1", "168.254.0.1", "10.0.0.1", "fec0::1", "fe7f::1", "fd00::1", "ff02::1", "::1"])
  func otherAddressesAreNotLinkLocal(text: String) throws {
    #expect(try #require(IPAddress(text)).isLinkLocal == false)
  }

  @Test func theTextsOfAnAddressAreEqual() {
    #expect(IPAddress("2001:db8:0:0:0:0:0:1") == IPAddress("2001:DB8::1"))
    #expect(IPAddress("::ffff:1.2.3.4") == IPAddress("1.2.3.4"))
    #expect(IPAddress("1:2:3:4:5:6:1.2.3.4")?.bytes.suffix(4) == [1, 2, 3, 4])
    #expect(IPAddress("1::")?.bytes == [0, 1] + [UInt8](repeating: 0, count: 14))
  }

  @Test(arguments: [
    "", ".", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "+1.2.3.4", "1..2.3", "localhost", ":", ":::",
    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:2:3:4:5:6:7::8", "12345::", "g::", "+1::", "::1.2.3",
    "1.2.3.4::",
    "fe80::1%eth0", "[::1]", "::1:", ":1::", "1:2:3:4:5:6:7:1.2.3.4",
  ])
  func anythingElseIsNoAddress(text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test(arguments: 0..<200) func noiseIsNoCrash(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let text = String(
      decoding: random.bytes(random.number(0...60)).map { Array("0123456789abcdef:::...%g".utf8)[Int($0) % 24] },
      as: UTF8.self)
    if let address = IPAddress(text) { #expect([4, 16].contains(address.bytes.count)) }
  }

  @Test func aNetworkContainsWhatBeginsLikeIt() throws {
    func network(_ text: String, _ length: Int) throws -> IPNetwork {
      let address = try #require(IPAddress(text))
      return try #require(IPNetwork(of: address, length: length))
    }
    func isIn(_ network: IPNetwork, _ text: String) throws -> Bool { network.contains(try #require(IPAddress(text))) }
    let home = try network("192.168.1.77", 24)
    #expect(try isIn(home, "192.168.1.1") && isIn(home, "192.168.1.255"))
    #expect(try !isIn(home, "192.168.2.1") && !isIn(home, "fd00::1"))
    let odd = try network("10.0.0.0", 13)
    #expect(try isIn(odd, "10.7.255.255") && !isIn(odd, "10.8.0.0"))
    let own = try network("2001:db8:1::5", 48)
    #expect(try isIn(own, "2001:db8:1:ffff::") && !isIn(own, "2001:db8:2::"))
    let address = try #require(IPAddress("1.2.3.4"))
    for length in [-1, 0, 33] { #expect(IPNetwork(of: address, length: length) == nil) }
  }
}
