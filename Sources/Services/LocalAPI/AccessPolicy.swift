import HTTP
package import Primitives

/// Which requests the local API accepts: from which pages, and for which host names.
package struct AccessPolicy: Sendable {
  /// Host names accepted in addition to those of the loopback interface. A page from elsewhere that resolves its own
  /// name to this machine (DNS rebinding) must not gain access.
  package var allowedHosts: Set<ByteString>
  /// Origins of pages that may read: `scheme://host[:port]`.
  package var allowedOrigins: Set<ByteString>

  package init(allowedHosts: Set<ByteString> = [], allowedOrigins: Set<ByteString> = ["http://localhost:3000"]) {
    self.allowedHosts = allowedHosts
    self.allowedOrigins = allowedOrigins
  }

  /// Whether the `Host` header names this machine or a host name that its owner allows.
  func admits(host header: String?) -> Bool {
    guard let host = header?.lowercasedASCII, let name = Self.name(in: host) else { return false }
    return IPAddress(name)?.scope == .loopback || name == "localhost" || allowedHosts.contains(ByteString(name))
  }

  /// The name or address in a `Host` header (RFC 9110, section 7.2); nil unless only a port follows it.
  private static func name(in host: String) -> String? {
    let isBracketed = host.begins(with: "[")
    let (name, rest) = isBracketed ? host.dropFirst().cut(at: "]") : host[...].cut(at: ":")
    guard !isBracketed || rest != nil else { return nil }
    let port = isBracketed ? rest.flatMap { $0.isEmpty ? "" : $0.removing(prefix: ":") } : rest ?? ""
    guard let port, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return String(name)
  }

  /// The headers that let a page read the answer; none if its origin is not allowed.
  func crossOriginHeaders(for head: HTTPRequestHead) -> [(name: String, value: String)] {
    guard let origin = head.headers["origin"], allowedOrigins.contains(ByteString(origin)) else { return [] }
    return [
      ("Access-Control-Allow-Origin", origin), ("Vary", "Origin"),
      ("Access-Control-Allow-Headers", "Content-Type, KACHERY-CLIENT-AUTH-CODE"),
      ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"), ("Access-Control-Max-Age", "600"),
    ]
  }
}
