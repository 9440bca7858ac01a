package import Primitives

/// The head of a request or an answer of HTTP/1.1 (RFC 9112): its first line and its fields.
package struct HTTPHead: Sendable {
  /// The first line.
  package let first: String
  private var fields: [ByteString: String] = [:]

  /// Reads a head that ends with an empty line.
  ///
  /// - Throws: `protocolViolation` if it is none.
  package init(_ bytes: some Collection<UInt8>) throws(KacheryError) {
    let lines = String(decoding: bytes, as: UTF8.self).parts(separatedBy: "\n")
      .map { $0.removing(suffix: "\r") ?? $0 }
    guard let first = lines.first, !first.isEmpty else { throw Self.malformed }
    self.first = String(first)
    for line in lines.dropFirst() where !line.isEmpty {
      let (name, value) = line.cut(at: ":")
      guard let value, !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw Self.malformed }
      let key = ByteString(name.lowercasedASCII)
      let text = Self.trimmed(value)
      // The values of a repeated field form a list (RFC 9110, section 5.2).
      fields[key] = fields[key].map { "\($0), \(text)" } ?? text
    }
  }

  /// The value of a field, named in lower case.
  package subscript(name: ByteString) -> String? { fields[name] }

  /// Whether the list in a field contains a word, in any case.
  package func has(_ word: String, in name: ByteString) -> Bool {
    let words = fields[name].map { $0.parts(separatedBy: ",").map { ByteString(Self.trimmed($0).lowercasedASCII) } }
    return words?.contains(ByteString(word)) ?? false
  }

  private static func trimmed(_ text: Substring) -> String {
    let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
    let rest = Array(text.utf8.drop(while: isSpace))
    return String(decoding: rest.prefix((rest.lastIndex { !isSpace($0) } ?? -1) + 1), as: UTF8.self)
  }

  private static var malformed: KacheryError {
    KacheryError(.protocolViolation, "The other side does not speak HTTP/1.1.")
  }
}
