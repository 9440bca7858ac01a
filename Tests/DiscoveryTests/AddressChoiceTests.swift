import Discovery
import Primitives
import Testing

@Suite struct AddressChoiceTests {
  private func address(_ text: String) throws -> Address { try #require(Address(text)) }

  private func choice(
    outside: [String] = [], networks: [(String, Int)] = [], own: [String] = [], usesQUIC: Bool = false
  ) throws -> AddressChoice {
    let networks = try networks.map { host, length in
      let address = try #require(IPAddress(host))
      return try #require(IPNetwork(of: address, length: length))
    }
    return AddressChoice(
      outside: outside, networks: networks, own: Set(try own.map { try address($0) }), usesQUIC: usesQUIC)
  }

  private func chosen(_ choice: AddressChoice, _ addresses: [String]) throws -> [String] {
    choice.addresses(try addresses.map { try address($0) }).map(\.description)
  }

  /// Two nodes behind one NAT: the local address comes first, since the NAT may not lead back in.
  @Test func aNodeBehindTheSameNATIsDialedLocally() throws {
    let choice = try choice(outside: ["203.0.113.5"], networks: [("192.168.1.7", 24)])
    #expect(
      try chosen(choice, ["203.0.113.5:20", "10.9.0.2:20", "192.168.1.8:20"])
        == ["192.168.1.8:20", "10.9.0.2:20", "203.0.113.5:20"])
  }

  /// Elsewhere, addresses of QUIC may lead where others do not, and are as dangerous.
  @Test func addressesOfQUICFollowTheOthers() throws {
    let offered = ["quic://203.0.113.9:20", "198.51.100.1:20", "quic://127.0.0.1:22", "quic://lab.example.org:20"]
    #expect(try chosen(try choice(), offered) == ["198.51.100.1:20"])
    #expect(try chosen(try choice(usesQUIC: true), offered) == ["198.51.100.1:20", "quic://203.0.113.9:20"])
    #expect(try chosen(try choice(own: ["quic://203.0.113.9:20"], usesQUIC: true), offered) == ["198.51.100.1:20"])
  }

  /// Elsewhere, the same local addresses belong to other machines.
  @Test func aNodeElsewhereIsDialedAtItsOutsideAddressFirst() throws {
    let choice = try choice(outside: ["203.0.113.5"], networks: [("192.168.1.7", 24)])
    #expect(
      try chosen(choice, ["192.168.1.8:20", "10.9.0.2:20", "198.51.100.1:20"]) == ["198.51.100.1:20", "192.168.1.8:20"])
  }

  /// A laboratory with routed private networks and a bootstrap node inside.
  @Test func aNodeSeenAtALocalAddressDialsLocalAddresses() throws {
    let choice = try choice(outside: ["10.1.0.7"], networks: [("10.1.0.7", 16)])
    #expect(try chosen(choice, ["10.2.0.9:20", "10.1.0.8:20"]) == ["10.2.0.9:20", "10.1.0.8:20"])
  }

  @Test func onlyNodesOfThisMachineDialIt() throws {
    let local = ["127.0.0.1:22", "[::1]:22", "localhost:22", "LOCALHOST.:22", "a.localhost:22"]
    for outside in [["203.0.113.5"], ["10.1.0.7"], []] {
      #expect(try chosen(try choice(outside: outside), local) == [])
    }
    #expect(try chosen(try choice(outside: ["127.0.0.1"]), local) == local)
  }

  @Test func addressesThatLeadNowhereAreNotDialed() throws {
    let choice = try choice(outside: ["127.0.0.1", "10.0.0.1", "203.0.113.5"])
    let useless = [
      "0.0.0.0:22", "169.254.1.1:22", "224.0.0.1:22", "[fe80::1]:22", "[ff02::1]:22", "[fe80::1%eth0]:22", "127.1:22",
      "2130706433:22", "0x7f000001:22", "0177.0.0.1:22", "10.0.0:22", "quic://203.0.113.9:1",
    ]
    #expect(try chosen(choice, useless) == [])
  }

  @Test func namesAreDialedAndTheOwnAddressIsNot() throws {
    let choice = try choice(outside: ["203.0.113.5"], own: ["203.0.113.5:20"])
    #expect(
      try chosen(choice, ["203.0.113.5:20", "lab.example.org:20", "203.0.113.5:21"])
        == ["lab.example.org:20", "203.0.113.5:21"])
  }
}
