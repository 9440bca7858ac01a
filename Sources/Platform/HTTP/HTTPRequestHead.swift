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

  init(_ connection: OpaquePointer, method: String, path: String) {
    self.method = method
    self.path = path
    query = Self.values(of: connection, .GET_ARGUMENT_KIND) { $0 }
    headers = Self.values(of: connection, .HEADER_KIND) { $0.lowercasedASCII }
  }

  /// The announced length of the body; nil if the request does not state it.
  package var contentLength: UInt64? { headers["content-length"].flatMap { UInt64($0) } }

  /// Collects values that the library passes one by one.
  private final class Collector {
    var values: [ByteString: String] = [:]
    let name: (String) -> String

    init(name: @escaping (String) -> String) { self.name = name }
  }

  private static func values(
    of connection: OpaquePointer, _ kind: MHD_ValueKind, _ name: @escaping (String) -> String
  ) -> [ByteString: String] {
    let collector = Collector(name: name)
    MHD_get_connection_values(
      connection, kind,
      { context, _, key, value in
        guard let context, let key else { return .YES }
        let collector = Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
        collector.values[ByteString(collector.name(String(cString: key)))] = value.map { String(cString: $0) } ?? ""
        return .YES
      }, Unmanaged.passUnretained(collector).toOpaque())
    return collector.values
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
