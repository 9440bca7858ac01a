/// An IPv4 or IPv6 address.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
  /// From where an address can be reached.
  package enum Scope: Sendable {
    /// From the same machine.
    case loopback
    /// From the networks of one site (RFC 1918, RFC 4193), or behind one provider's NAT (RFC 6598).
    case site
    /// From everywhere.
    case global
    /// Unspecified, link-local, multicast and reserved addresses: they lead nowhere, or to different nodes from different
    /// places.
    case unusable
  }

  /// Four or sixteen bytes, in network order.
  package let bytes: [UInt8]

  /// Parses an address as RFC 4291, section 2.2, writes it, or four decimal numbers without leading zeros. An IPv4
  /// address that is mapped into IPv6 counts as IPv4.
  package init?(_ text: String) {
    guard let bytes = Self.ipv4(text[...].utf8) ?? Self.ipv6(text) else { return nil }
    self.init(bytes: bytes)
  }

  /// The address of four or sixteen bytes in network order; nil for another number. An IPv4 address that is mapped into
  /// IPv6 counts as IPv4.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    self.bytes = bytes.count == 16 && bytes.starts(with: Self.mapped) ? Array(bytes.suffix(4)) : bytes
  }

  /// The address as the kernel writes it (RFC 5952).
  package var description: String {
    guard bytes.count == 16 else { return bytes.map { "\($0)" }.joined(separator: ".") }
    let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    let zeros = Self.longestRunOfZeros(in: groups)
    let texts = groups.map { String($0, radix: 16) }
    guard zeros.count > 1 else { return texts.joined(separator: ":") }
    return texts[..<zeros.lowerBound].joined(separator: ":") + "::"
      + texts[zeros.upperBound...].joined(separator: ":")
  }

  /// The first of the longest runs.
  private static func longestRunOfZeros(in groups: [UInt16]) -> Range<Int> {
    var longest = 0..<0
    for start in groups.indices {
      let end = groups[start...].firstIndex { $0 != 0 } ?? groups.endIndex
      if end - start > longest.count { longest = start..<end }
    }
    return longest
  }

  /// From where the address can be reached.
  package var scope: Scope {
    if bytes.count == 4 {
      switch (bytes[0], bytes[1]) {
      case (127, _): .loopback
      case (10, _), (172, 16...31), (192, 168), (100, 64...127): .site
      case (0, _), (169, 254), (224..., _): .unusable
      default: .global
      }
    } else {
      switch bytes[0] {
      case 0 where bytes.dropLast().allSatisfy({ $0 == 0 }) && bytes[15] == 1: .loopback
      case 0xfc...0xfd: .site
      case 0x20...0x3f: .global
      default: .unusable
      }
    }
  }

  /// Whether the address means something only on one interface (RFC 3927; RFC 4291, section 2.5.6).
  package var isLinkLocal: Bool {
    bytes.count == 4 ? bytes.starts(with: [169, 254]) : bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80
  }

  /// The bytes that tell one end site from another: all of an IPv4 address, but only the first half of an IPv6 address,
  /// because a subscriber has at least 2⁶⁴ of those (RFC 6177).
  package var endSite: [UInt8] { bytes.count == 4 ? bytes : Array(bytes.prefix(8)) }

  private static let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]

  private static func ipv4(_ text: Substring.UTF8View) -> [UInt8]? {
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      // Resolvers read a number with a leading zero as octal.
      guard part.count == 1 || part.first != UInt8(ascii: "0"), let byte = UInt8(digits: Substring(part)) else {
        return nil
      }
      bytes.append(byte)
    }
    return bytes
  }

  private static func ipv6(_ text: String) -> [UInt8]? {
    let colon = UInt8(ascii: ":")
    let halves = text[...].utf8.split(separator: [colon, colon], omittingEmptySubsequences: false)
    guard halves.count <= 2, let head = groups(halves[0], mayEndInIPv4: halves.count == 1) else { return nil }
    guard halves.count == 2 else { return head.count == 16 ? head : nil }
    guard let tail = groups(halves[1], mayEndInIPv4: true), head.count + tail.count <= 14 else { return nil }
    return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
  }

  /// The bytes of groups of up to four hexadecimal digits.
  private static func groups(_ text: Substring.UTF8View, mayEndInIPv4: Bool) -> [UInt8]? {
    guard !text.isEmpty else { return [] }
    let parts = text.split(separator: UInt8(ascii: ":"), maxSplits: 8, omittingEmptySubsequences: false)
    var bytes: [UInt8] = []
    for (index, part) in parts.enumerated() {
      if mayEndInIPv4, index == parts.count - 1, let address = ipv4(part) {
        bytes += address
        continue
      }
      guard (1...4).contains(part.count), part.first != UInt8(ascii: "+"),
        let value = UInt16(Substring(part), radix: 16)
      else { return nil }
      bytes += [UInt8(value >> 8), UInt8(value & 0xff)]
    }
    return bytes
  }
}

/// A network: the addresses that begin with the same bits.
package struct IPNetwork: Hashable, Sendable {
  private let address: IPAddress
  private let length: Int

  /// The network of an address; nil if the length does not fit it.
  ///
  /// - Parameter length: how many of the address's first bits are the network's.
  package init?(of address: IPAddress, length: Int) {
    guard (1...address.bytes.count * 8).contains(length) else { return nil }
    self.address = address
    self.length = length
  }

  /// Whether the address begins with the network's bits.
  package func contains(_ other: IPAddress) -> Bool {
    guard other.bytes.count == address.bytes.count else { return false }
    return (0..<length).allSatisfy { bit in
      (other.bytes[bit / 8] ^ address.bytes[bit / 8]) & (0x80 >> UInt8(bit % 8)) == 0
    }
  }
}
