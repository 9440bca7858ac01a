/// Where a node listens: a host name or address, and a port.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// The longest host name that DNS allows (RFC 1035, section 2.3.4).
  package static let maximumHostLength = 255
  /// The ports of web servers. Firewalls and proxies that let out little let out connections to the second one.
  package static let httpPort: UInt16 = 80
  package static let httpsPort: UInt16 = 443

  package let host: String
  package let port: UInt16

  /// The endpoint; nil if the host is empty or too long, contains white space or control characters, or the port is 0.
  package init?(host: String, port: UInt16) {
    let characters = host.utf8
    guard (1...Self.maximumHostLength).contains(characters.count), port > 0 else { return nil }
    guard characters.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    self.host = host
    self.port = port
  }

  /// Parses `HOST:PORT`, with an IPv6 address in brackets: `[::1]:8080`.
  package init?(_ text: String) {
    let (host, digits) = text.cut(atLast: ":")
    guard let port = digits.flatMap({ UInt16(digits: $0) }) else { return nil }
    let inBrackets = host.removing(prefix: "[")?.removing(suffix: "]")
    guard inBrackets != nil || !Self.holdsColon(host) else { return nil }
    self.init(host: String(inBrackets ?? host), port: port)
  }

  package var description: String { Self.holdsColon(host) ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Only an IPv6 address contains a colon.
  private static func holdsColon(_ host: some StringProtocol) -> Bool { host.utf8.contains(UInt8(ascii: ":")) }
}
