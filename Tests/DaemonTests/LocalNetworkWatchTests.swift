import EventLoop
import NodeCore
import Primitives
import Testing

@testable import Daemon

@Suite struct LocalNetworkWatchTests {
  private func interfaces(_ list: [(name: String, host: String, length: Int)]) throws -> [NetworkInterface] {
    try list.map { try #require(NetworkInterface($0.name, host: $0.host, length: $0.length)) }
  }

  @Test func whatOthersCanReachIsAnnounced() throws {
    let interfaces = try interfaces([
      ("lo", "127.0.0.1", 8), ("lo", "::1", 128), ("eth0", "203.0.113.7", 24), ("eth0", "192.168.1.7", 24),
      ("eth0", "fe80::7", 64), ("wlan0", "fd00::7", 64), ("docker0", "172.17.0.1", 16), ("br-12ab", "172.18.0.1", 16),
      ("virbr0", "192.168.122.1", 24),
    ])
    let all = LocalNetworkWatch.network(of: interfaces, announces: true, hasIPv6: true)
    #expect(all.hosts == ["192.168.1.7", "fd00::7", "203.0.113.7"])
    #expect(
      all.networks == interfaces.filter { ["eth0", "wlan0"].contains($0.name) && $0.host != "fe80::7" }.map(\.network))
    let onlyIPv4 = LocalNetworkWatch.network(of: interfaces, announces: true, hasIPv6: false)
    #expect(onlyIPv4.hosts == ["192.168.1.7", "203.0.113.7"] && onlyIPv4.networks == all.networks)
    let quiet = LocalNetworkWatch.network(of: interfaces, announces: false, hasIPv6: true)
    #expect(quiet.hosts == [] && quiet.networks == all.networks)
  }

  @Test func aNodeAnnouncesItselfWhereOtherMachinesAre() throws {
    let interfaces = try interfaces([
      ("lo", "127.0.0.1", 8), ("lo", "::1", 128), ("eth0", "203.0.113.7", 24), ("eth0", "192.168.1.7", 24),
      ("eth0", "2001:db8::7", 64), ("eth0", "fe80::7", 64), ("wlan0", "169.254.3.4", 16), ("docker0", "172.17.0.1", 16),
      ("docker0", "fe80::42", 64), ("br-12ab", "172.18.0.1", 16), ("veth3", "fe80::43", 64),
      ("virbr0", "192.168.122.1", 24), ("br0", "10.1.1.1", 24),
    ])
    let hosts = LocalAnnouncements.usable(interfaces, hasIPv6: true).map(\.host)
    #expect(hosts == ["203.0.113.7", "192.168.1.7", "fe80::7", "169.254.3.4", "10.1.1.1"])
    let onlyIPv4 = LocalAnnouncements.usable(interfaces, hasIPv6: false).map(\.host)
    #expect(onlyIPv4 == hosts.filter { $0 != "fe80::7" })
    let many = try (0..<50).map { try #require(NetworkInterface("eth\($0)", host: "10.0.\($0).1", length: 24)) }
    #expect(LocalAnnouncements.usable(many, hasIPv6: true).count == LocalAnnouncements.maximumPlaces)
  }

  @Test func theKernelReportsTheLoopbackInterface() throws {
    let loopback = try #require(NetworkInterface.all.first { $0.host == "127.0.0.1" })
    let (near, far) = (try #require(IPAddress("127.9.9.9")), try #require(IPAddress("128.0.0.1")))
    #expect(loopback.network.contains(near) && !loopback.network.contains(far))
    #expect(loopback.index > 0)
  }
}
