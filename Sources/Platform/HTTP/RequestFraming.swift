internal import Primitives

/// Where the body of a request ends, if its head says so in exactly one way (RFC 9112, section 6). Any other head is
/// refused: a proxy in front of the server could read it differently, and take a part of the body for a request.
enum RequestFraming: Hashable {
  /// As the head says.
  case asStated
  /// `Content-Length: 0` beside `Transfer-Encoding: chunked`, which the published clients send with an empty file. No
  /// chunk follows.
  case emptyBody
  /// The head is ambiguous; the sentence says in what.
  case refused(String)

  /// - Parameters:
  ///   - headers: all of them in their order, repeated ones included.
  ///   - version: `HTTP/1.1` or `HTTP/1.0`.
  init(of headers: [(name: String, value: String)], version: String) {
    for (name, value) in headers {
      guard !name.isEmpty, name.utf8.allSatisfy(Self.isTokenByte), value.utf8.allSatisfy(Self.isValueByte) else {
        self = .refused("The name or the value of a header contains a character that is not allowed there.")
        return
      }
    }
    func values(_ name: String) -> [String] {
      headers.filter { $0.name.lowercasedASCII == name }.map(\.value)
    }
    let (hosts, lengths, encodings) = (values("host"), values("content-length"), values("transfer-encoding"))
    if hosts.count > 1 || (hosts.isEmpty && version != "HTTP/1.0") {
      self = .refused("The header 'Host' must be there once.")
    } else if lengths.count > 1 || !lengths.allSatisfy(Self.isLength) {
      self = .refused("The header 'Content-Length' must be there at most once, and be a number.")
    } else if encodings.count > 1 || !encodings.allSatisfy({ $0.lowercasedASCII == "chunked" }) {
      self = .refused("The header 'Transfer-Encoding' must be there at most once, and be 'chunked'.")
    } else if !encodings.isEmpty, version == "HTTP/1.0" {
      self = .refused("HTTP/1.0 has no header 'Transfer-Encoding'.")
    } else if !encodings.isEmpty, let length = lengths.first {
      self = length == "0" ? .emptyBody : .refused("'Content-Length' and 'Transfer-Encoding' contradict each other.")
    } else {
      self = .asStated
    }
  }

  /// Characters of a name (RFC 9110, section 5.6.2).
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }

  private static func isValueByte(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7f || byte == 0x09 }

  private static func isLength(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) } && Int64(text) != nil
  }
}
