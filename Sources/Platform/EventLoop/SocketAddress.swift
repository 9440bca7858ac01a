internal import CUV
import Primitives

/// An IPv4 or IPv6 address with a port, in the kernel's form.
struct SocketAddress {
  private var storage = sockaddr_storage()

  /// The address that `numericHost` spells.
  init(numericHost: String, port: UInt16) throws(KacheryError) {
    let isIPv6 = numericHost.utf8.contains(UInt8(ascii: ":"))
    let result = withPointer { address in
      let raw = UnsafeMutableRawPointer(mutating: address)
      return isIPv6
        ? uv_ip6_addr(numericHost, Int32(port), raw.assumingMemoryBound(to: sockaddr_in6.self))
        : uv_ip4_addr(numericHost, Int32(port), raw.assumingMemoryBound(to: sockaddr_in.self))
    }
    guard result == 0 else {
      throw KacheryError(.badConfiguration, "'\(numericHost)' is not an IP address to listen on.")
    }
  }

  /// An address of the kernel; nil if it is not one of IPv4 or IPv6.
  init?(bytes: UnsafeRawBufferPointer) {
    guard bytes.count <= MemoryLayout<sockaddr_storage>.size else { return nil }
    withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: bytes) }
    guard byteCount > 0, bytes.count >= byteCount else { return nil }
  }

  /// Bytes of the kernel's form.
  var byteCount: Int {
    switch Int32(storage.ss_family) {
    case AF_INET: MemoryLayout<sockaddr_in>.size
    case AF_INET6: MemoryLayout<sockaddr_in6>.size
    default: 0
    }
  }

  /// The kernel's form.
  var bytes: [UInt8] { withUnsafeBytes(of: storage) { Array($0.prefix(byteCount)) } }

  var endpoint: Endpoint? {
    var copy = self
    return copy.withPointer { Self.endpoint($0) }
  }

  /// The form of this address for a socket at an address of that family: an IPv6 socket sends to IPv4 in IPv6's form
  /// (RFC 4291, section 2.5.5.2). Nil if such a socket cannot send there.
  func address(forFamilyOf own: [UInt8]) -> [UInt8]? {
    let family = own.withUnsafeBytes { Self(bytes: $0) }.map { Int32($0.storage.ss_family) }
    guard family != Int32(storage.ss_family) else { return bytes }
    guard family == AF_INET6, let endpoint else { return nil }
    return (try? Self(numericHost: "::ffff:\(endpoint.host)", port: endpoint.port))?.bytes
  }

  mutating func withPointer<T>(_ body: (UnsafePointer<sockaddr>) -> T) -> T {
    withUnsafeMutablePointer(to: &storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
    }
  }

  /// The endpoint of a kernel address; an IPv4 address mapped into IPv6 is written as IPv4.
  static func endpoint(_ address: UnsafePointer<sockaddr>) -> Endpoint? {
    let raw = UnsafeRawPointer(address)
    let port: UInt16
    switch Int32(address.pointee.sa_family) {
    case AF_INET: port = raw.assumingMemoryBound(to: sockaddr_in.self).pointee.sin_port
    case AF_INET6: port = raw.assumingMemoryBound(to: sockaddr_in6.self).pointee.sin6_port
    default: return nil
    }
    return host(address).flatMap { Endpoint(host: $0, port: UInt16(bigEndian: port)) }
  }

  /// The numeric host of a kernel address; an IPv4 address mapped into IPv6 is written as IPv4.
  static func host(_ address: UnsafePointer<sockaddr>) -> String? {
    var text = [CChar](repeating: 0, count: 64)
    let raw = UnsafeRawPointer(address)
    switch Int32(address.pointee.sa_family) {
    case AF_INET: uv_ip4_name(raw.assumingMemoryBound(to: sockaddr_in.self), &text, text.count)
    case AF_INET6: uv_ip6_name(raw.assumingMemoryBound(to: sockaddr_in6.self), &text, text.count)
    default: return nil
    }
    let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let mapped = host.removing(prefix: "::ffff:").flatMap { $0.utf8.contains(UInt8(ascii: ".")) ? String($0) : nil }
    return mapped ?? host
  }

  static func local(of tcp: UnsafePointer<uv_tcp_t>) -> Endpoint? { name(tcp, uv_tcp_getsockname) }

  static func local(of descriptor: Int32) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { return nil }
    return withUnsafeBytes(of: storage) { Self(bytes: $0) }
  }

  static func local(of udp: UnsafePointer<uv_udp_t>) -> Endpoint? { name(udp, uv_udp_getsockname) }

  static func remote(of tcp: UnsafePointer<uv_tcp_t>) -> Endpoint? { name(tcp, uv_tcp_getpeername) }

  private static func name<Handle>(
    _ handle: UnsafePointer<Handle>,
    _ get: (UnsafePointer<Handle>?, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<Int32>?) -> Int32
  ) -> Endpoint? {
    var storage = sockaddr_storage()
    var length = Int32(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        get(handle, address, &length) == 0 ? endpoint(address) : nil
      }
    }
  }
}
