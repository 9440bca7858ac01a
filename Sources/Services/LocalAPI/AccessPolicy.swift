import HTTP
package import Primitives

/// Which requests the local API accepts: from which pages, for which host names, and with which rights if the token is
/// for reading.
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

  private static let loopbackNames: Set<ByteString> = ["localhost", "127.0.0.1", "::1"]

  /// Whether the `Host` header names this machine or a host name that its owner allows.
  func admits(host header: String?) -> Bool {
    guard let host = header?.lowercasedASCII else { return false }
    let name = host.removing(prefix: "[")?.cut(at: "]").head ?? host.cut(atLast: ":").head
    let isLoopbackAddress =
      name.begins(with: "127.") && name.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
    return isLoopbackAddress || Self.loopbackNames.contains(ByteString(name))
      || allowedHosts.contains(ByteString(name))
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

  /// Paths that change something, or make the node dial others, and therefore need more than a browser page's token.
  private static let writingPaths: Set<ByteString> = [
    "/store", "/storeFile", "/linkFile", "/halt", "/mutable/set", "/mutable/delete",
    "/feed/createFeed", "/feed/deleteFeed", "/feed/appendMessages", "/feed/submitMessage", "/feed/setAccessRules",
    "/v1/store/verify", "/v1/store/remove", "/v1/store/pin", "/v1/store/unpin", "/v1/store/collect", "/v1/doctor",
  ]

  /// Whether a token for reading is sufficient for this path.
  static func isReading(_ path: String) -> Bool { !writingPaths.contains(ByteString(path)) }
}
