internal import CUV
package import Primitives

/// One address of one of this machine's network interfaces.
package struct NetworkInterface: Hashable, Sendable {
  /// The name that the kernel gives the interface, for example `eth0`.
  package let name: String
  package let address: IPAddress
  /// The address as text.
  package let host: String
  /// The network that can be reached over the interface.
  package let network: IPNetwork

  /// The addresses of all interfaces that are up; empty if the kernel does not report them.
  package static var all: [NetworkInterface] {
    var list: UnsafeMutablePointer<uv_interface_address_t>?
    var count: Int32 = 0
    guard uv_interface_addresses(&list, &count) == 0, let list else { return [] }
    defer { uv_free_interface_addresses(list, count) }
    return (0..<Int(count)).compactMap { NetworkInterface(list[$0]) }
  }

  private init?(_ entry: uv_interface_address_t) {
    var (address, mask) = (entry.address, entry.netmask)
    guard let name = entry.name, let host = Self.host(of: &address), let parsed = IPAddress(host),
      let bits = Self.host(of: &mask).flatMap({ IPAddress($0) })?.bytes.reduce(0, { $0 + $1.nonzeroBitCount }),
      let network = IPNetwork(of: parsed, length: bits)
    else { return nil }
    self.name = String(cString: name)
    self.address = parsed
    self.host = host
    self.network = network
  }

  /// The libuv unions for addresses and masks have the same members.
  private static func host<Union>(of union: inout Union) -> String? {
    withUnsafePointer(to: &union) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { SocketAddress.host($0) }
    }
  }
}
