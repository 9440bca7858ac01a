package import Primitives

/// The router through which this machine reaches other networks, in IPv4.
package struct DefaultGateway: Hashable, Sendable {
  /// The kernel's table of routes.
  package static let table = "/proc/net/route"

  package let address: IPAddress
  /// The interface by which it is reached.
  package let interface: String

  /// The gateway of the default route with the lowest metric in a table as Linux writes it; nil if there is none.
  ///
  /// Numbers are hexadecimal; addresses are network-order bytes that were read as a number of this machine.
  package init?(table: [UInt8]) {
    let lines = table.split(separator: UInt8(ascii: "\n"))
    let routes = lines.compactMap { line -> (metric: Int, gateway: DefaultGateway)? in
      let fields = line.split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }.map {
        String(decoding: $0, as: UTF8.self)
      }
      guard fields.count >= 8, UInt32(fields[1], radix: 16) == 0, UInt32(fields[7], radix: 16) == 0,
        let flags = UInt16(fields[3], radix: 16), flags & Self.usableGateway == Self.usableGateway,
        let number = UInt32(fields[2], radix: 16), let metric = Int(fields[6]),
        let address = withUnsafeBytes(of: number, { IPAddress(bytes: Array($0)) })
      else { return nil }
      return (metric, DefaultGateway(address: address, interface: fields[0]))
    }
    guard let first = routes.min(by: { $0.metric < $1.metric }) else { return nil }
    self = first.gateway
  }

  private init(address: IPAddress, interface: String) {
    self.address = address
    self.interface = interface
  }

  /// RTF_UP and RTF_GATEWAY.
  private static let usableGateway: UInt16 = 0x3
}
