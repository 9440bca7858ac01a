import Primitives

/// From which pages scripts may read the gateway's answers (https://fetch.spec.whatwg.org/#http-cors-protocol).
struct CrossOriginAccess: Sendable {
  /// Headers of requests that a page may send, and those of answers that its scripts may read.
  private static let sent = "Range, If-Match, If-None-Match, If-Range"
  private static let read = "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag"

  private let origins: Set<ByteString>

  /// - Parameter origins: `scheme://host[:port]`, or `*` for any page.
  init(_ origins: [String]) { self.origins = Set(origins.map { ByteString($0) }) }

  private static let anyPage = ByteString("*")

  private var isForAll: Bool { origins.contains(Self.anyPage) }

  /// The headers of an answer; those that let the page read it only if its origin is allowed.
  func headers(for origin: String?) -> [(name: String, value: String)] {
    guard !origins.isEmpty else { return [] }
    let allowed = isForAll ? "*" : origin.flatMap { origins.contains(ByteString($0)) ? $0 : nil }
    // A cache must not give one page what was answered to another.
    let varies = isForAll ? [] : [("Vary", "Origin")]
    guard let allowed else { return varies }
    return [("Access-Control-Allow-Origin", allowed), ("Access-Control-Expose-Headers", Self.read)] + varies
  }

  /// The headers of an answer to a page that asks before its request; none if it may not send that.
  func preflight(for origin: String?) -> [(name: String, value: String)] {
    let headers = headers(for: origin)
    guard headers.contains(where: { ByteString($0.name) == "Access-Control-Allow-Origin" }) else { return [] }
    return headers + [
      ("Access-Control-Allow-Methods", "GET, HEAD"), ("Access-Control-Allow-Headers", Self.sent),
      ("Access-Control-Max-Age", "86400"),
    ]
  }
}
