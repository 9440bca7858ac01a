internal import CUV
package import Primitives

/// One address of one of this machine's network interfaces.
package struct NetworkInterface: Hashable, Sendable {
  /// The name that the kernel gives the interface, for example `eth0`.
  package let name: String
  package let address: IPAddress
  /// The kernel's number of the interface; a new interface of the same name has another one. 0 if it is unknown.
  package let index: UInt32
  /// The address as text, without a zone.
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

  /// An address and its network; nil if `host` is not an address or `length` does not fit it.
  ///
  /// - Parameter length: how many of the address's first bits identify the network.
  package init?(_ name: String, host: String, length: Int, index: UInt32 = 0) {
    guard let address = IPAddress(host), let network = IPNetwork(of: address, length: length) else { return nil }
    self.name = name
    self.index = index
    self.address = address
    self.host = host
    self.network = network
  }

  private init?(_ entry: uv_interface_address_t) {
    var (address, mask) = (entry.address, entry.netmask)
    guard let name = entry.name, let host = Self.host(of: &address),
      let bits = Self.host(of: &mask).flatMap({ IPAddress($0) })?.bytes.reduce(0, { $0 + $1.nonzeroBitCount })
    else { return nil }
    self.init(String(cString: name), host: host, length: bits, index: if_nametoindex(name))
  }

  /// The libuv unions for addresses and masks have the same members.
  private static func host<Union>(of union: inout Union) -> String? {
    withUnsafePointer(to: &union) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { SocketAddress.host($0) }
    }
  }
}
