import PortMapping
import Primitives
import TestSupport
import Testing

/// The gateway in the kernel's table of routes.
@Suite struct DefaultGatewayTests {
  private static let head =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

  private func gateway(_ lines: String...) -> DefaultGateway? {
    DefaultGateway(table: Array((Self.head + lines.joined(separator: "\n") + "\n").utf8))
  }

  @Test func theDefaultRouteNamesIt() throws {
    let found = try #require(
      gateway(
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0"))
    #expect(found.address == IPAddress("192.168.1.1") && found.interface == "eth0")
  }

  @Test func theLowestMetricCounts() throws {
    let found = try #require(
      gateway(
        "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0",
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0"))
    #expect(found.interface == "eth0")
  }

  /// A route that is down, that needs no gateway, or that leads to a part of the internet only.
  @Test(arguments: [
    "eth0\t00000000\t0101A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0",
    "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0",
    "tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0", "eth0\t00000000\t0101A8C0\t0003", "x", "",
    "eth0\tzzzzzzzz\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
  ])
  func otherRoutesDoNotCount(line: String) {
    #expect(gateway(line) == nil)
  }

  @Test(arguments: 0..<200 as Range<UInt64>) func anyBytesAreRead(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let table = Array((Self.head + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n").utf8)
    _ = DefaultGateway(table: random.mutated(table))
    _ = DefaultGateway(table: random.bytes(200))
  }
}
