/// Where a node listens: a host name or address, and a port.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// The longest host name that DNS allows (RFC 1035, section 2.3.4).
  package static let maximumHostLength = 255

  package let host: String
  package let port: UInt16

  /// The endpoint; nil where the host is empty or too long, holds white space or control characters, or the port is 0.
  package init?(host: String, port: UInt16) {
    let characters = host.utf8
    guard (1...Self.maximumHostLength).contains(characters.count), port > 0 else { return nil }
    guard characters.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    self.host = host
    self.port = port
  }

  /// Parses `HOST:PORT`, with an IPv6 address in brackets: `[::1]:8080`.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(digits: text[text.index(after: colon)...]) else {
      return nil
    }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    self.init(host: String(host), port: port)
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
