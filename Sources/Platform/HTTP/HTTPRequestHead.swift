internal import CMicroHTTPD
package import Primitives

/// The head of a request: everything before the body.
package struct HTTPRequestHead: Sendable {
  package let method: String
  /// The path, without the query.
  package let path: String
  /// The parameters of the query, percent-decoded; the last one with the same name wins.
  package let query: [ByteString: String]
  /// The headers by lower-case name; the last one with the same name wins.
  package let headers: [ByteString: String]

  /// Whether the head says in one way where the body ends.
  let framing: RequestFraming

  /// The arguments are those of the library's access handler.
  init(_ connection: OpaquePointer, method: UnsafePointer<CChar>, path: String, version: UnsafePointer<CChar>) {
    self.method = String(cString: method)
    self.path = path
    query = Self.table(Self.values(of: connection, .GET_ARGUMENT_KIND))
    let headers = Self.values(of: connection, .HEADER_KIND)
    self.headers = Self.table(headers.map { ($0.name.lowercasedASCII, $0.value) })
    let framing = RequestFraming(of: headers, version: String(cString: version))
    guard CMicroHTTPD_lines_are_plain(connection, method, version) != 0 else {
      self.framing = .refused("A line of the head is folded, or does not end with CRLF.")
      return
    }
    // The end of a body in chunks begins with this digit as well.
    let isFollowed = ![0, UInt8(ascii: "0")].contains(CMicroHTTPD_byte_after_head(connection, method))
    self.framing =
      framing == .emptyBody && isFollowed
      ? .refused("The header 'Content-Length' is 0, but a body follows.") : framing
  }

  /// The announced length of the body; nil if the request does not state it.
  package var contentLength: UInt64? { headers["content-length"].flatMap { UInt64($0) } }

  /// Collects values that the library passes one by one.
  private final class Collector { var values: [(name: String, value: String)] = [] }

  private static func values(
    of connection: OpaquePointer, _ kind: MHD_ValueKind
  ) -> [(name: String, value: String)] {
    let collector = Collector()
    MHD_get_connection_values(
      connection, kind,
      { context, _, key, value in
        guard let context, let key else { return .YES }
        let collector = Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
        collector.values.append((String(cString: key), value.map { String(cString: $0) } ?? ""))
        return .YES
      }, Unmanaged.passUnretained(collector).toOpaque())
    return collector.values
  }

  private static func table(_ values: [(name: String, value: String)]) -> [ByteString: String] {
    Dictionary(values.map { (ByteString($0.name), $0.value) }) { _, last in last }
  }
}

/// A complete answer.
package struct HTTPResponse: Sendable {
  package var status: Int
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]

  package init(status: Int = 200, contentType: String, body: [UInt8], headers: [(name: String, value: String)] = []) {
    self.status = status
    self.headers = [("Content-Type", contentType)] + headers
    self.body = body
  }
}
