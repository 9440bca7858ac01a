/// Names in URIs: bytes with a special meaning are written as `%XX` (RFC 3986, section 2.1).
package enum PercentEncoding {
  /// Escapes everything except ASCII letters and digits, `_.-~` and the slash, as Python's `quote` does.
  package static func encode(_ text: String) -> String {
    String(decoding: text.utf8.flatMap { isPlain($0) ? [$0] : escape($0) }, as: UTF8.self)
  }

  /// `%XX`, with the digits in upper case.
  static func escape(_ byte: UInt8) -> [UInt8] {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10 }
    return [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)]
  }

  /// Unescapes the text; keeps a `%` without two hexadecimal digits after it, and replaces invalid UTF-8 with U+FFFD.
  package static func decode(_ text: some StringProtocol) -> String {
    String(decoding: decodedBytes(text), as: UTF8.self)
  }

  private static func decodedBytes(_ text: some StringProtocol) -> [UInt8] {
    var decoded: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = String(decoding: rest.prefix(2), as: UTF8.self)
      guard byte == UInt8(ascii: "%"), digits.utf8.count == 2, let escaped = Hex.decode(digits) else {
        decoded.append(byte)
        continue
      }
      decoded += escaped
      rest = rest.dropFirst(2)
    }
    return decoded
  }

  /// The name that a part of a path in a URI stands for; nil if it decodes to something that is not a name in UTF-8.
  package static func decodeName(_ part: some StringProtocol) -> String? {
    guard let name = String(validating: decodedBytes(part), as: UTF8.self) else { return nil }
    return name.utf8.contains(UInt8(ascii: "/")) ? nil : name
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch UnicodeScalar(byte) {
    case "a"..."z", "A"..."Z", "0"..."9", "_", ".", "-", "~", "/": true
    default: false
    }
  }
}
