/// The choices of a JSON writer. None of them puts spaces between the parts of a document.
package struct JSONStyle: Sendable {
  /// The order of an object's members.
  let order: @Sendable ([JSONObject.Member]) -> [JSONObject.Member]
  let integer: @Sendable (Int64) -> String
  let decimal: @Sendable (JSONNumber) -> String
  let string: @Sendable (String, inout [UInt8]) -> Void

  /// A style with these choices; `string` appends a whole string with its quotation marks.
  package init(
    order: @escaping @Sendable ([JSONObject.Member]) -> [JSONObject.Member],
    integer: @escaping @Sendable (Int64) -> String, decimal: @escaping @Sendable (JSONNumber) -> String,
    string: @escaping @Sendable (String, inout [UInt8]) -> Void
  ) {
    self.order = order
    self.integer = integer
    self.decimal = decimal
    self.string = string
  }

  /// The same style, but with each number as it was spelled.
  package var keepingNumbers: JSONStyle {
    JSONStyle(order: order, integer: { String($0) }, decimal: { $0.literal }, string: string)
  }

  /// Members in their order, numbers as spelled, and ASCII only: the output of Python's `json.dumps(separators=(",",
  /// ":"))` for the same values, so that hashes of documents agree.
  package static let compact = JSONStyle(
    order: { $0 }, integer: { String($0) }, decimal: { $0.literal }, string: JSONString.writeASCII)

  /// Like `compact`, with members sorted by the code points of their names, and numbers as Python spells them: Python's
  /// output with `sort_keys=True` for a document that it has read.
  package static let compactSorted = JSONStyle(
    order: { $0.sorted { $0.name < $1.name } }, integer: compact.integer, decimal: { $0.pythonText },
    string: compact.string)

  /// Like `compact`, with letters of all scripts unescaped: for people.
  package static let readable = JSONStyle(
    order: compact.order, integer: compact.integer, decimal: compact.decimal, string: JSONString.writeUTF8)
}

extension JSONValue {
  /// The document in the compact style.
  package var compact: String { String(decoding: compactBytes, as: UTF8.self) }

  /// The UTF-8 of `compact`.
  package var compactBytes: [UInt8] { bytes(in: .compact) }

  /// The UTF-8 of the document in this style.
  package func bytes(in style: JSONStyle) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(256)
    write(style, to: &output)
    return output
  }

  private func write(_ style: JSONStyle, to output: inout [UInt8]) {
    switch self {
    case .null: output.append(contentsOf: "null".utf8)
    case .bool(let bool): output.append(contentsOf: (bool ? "true" : "false").utf8)
    case .integer(let integer): output.append(contentsOf: style.integer(integer).utf8)
    case .decimal(let number): output.append(contentsOf: style.decimal(number).utf8)
    case .string(let string): style.string(string, &output)
    case .array(let values):
      output.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        value.write(style, to: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .object(let object):
      output.append(UInt8(ascii: "{"))
      for (index, member) in style.order(object.members).enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        style.string(member.name.text, &output)
        output.append(UInt8(ascii: ":"))
        member.value.write(style, to: &output)
      }
      output.append(UInt8(ascii: "}"))
    }
  }
}

/// The strings of a JSON document.
package enum JSONString {
  /// The short escape of a character; nil if JSON has none for it.
  package static func shortEscape(_ unit: some BinaryInteger) -> String? {
    switch unit {
    case 0x22: #"\""#
    case 0x5c: #"\\"#
    case 0x08: #"\b"#
    case 0x0c: #"\f"#
    case 0x0a: #"\n"#
    case 0x0d: #"\r"#
    case 0x09: #"\t"#
    default: nil
    }
  }

  /// Escapes only what must be escaped (RFC 8785, section 3.2.2.2).
  package static func writeUTF8(_ string: String, to output: inout [UInt8]) {
    guard !writePlain(string, to: &output, isPlain: { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5c }) else { return }
    output.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      if let escape = shortEscape(byte) {
        output.append(contentsOf: escape.utf8)
      } else if byte < 0x20 {
        output.append(contentsOf: ("\\u00" + Hex.encode([byte])).utf8)
      } else {
        output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// Escapes everything except printable ASCII, as Python does by default; every JSON reader understands it.
  static func writeASCII(_ string: String, to output: inout [UInt8]) {
    let isWritten = writePlain(string, to: &output) { (0x20..<0x7f).contains($0) && $0 != 0x22 && $0 != 0x5c }
    guard !isWritten else { return }
    output.append(UInt8(ascii: "\""))
    for unit in string.utf16 {
      if let escape = shortEscape(unit) {
        output.append(contentsOf: escape.utf8)
      } else if (0x20..<0x7f).contains(unit) {
        output.append(UInt8(unit))
      } else {
        output.append(contentsOf: ("\\u" + Hex.encode([UInt8(unit >> 8), UInt8(unit & 255)])).utf8)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// Writes a string in which no byte needs escaping, as in most; returns whether this was one.
  @inline(__always)
  private static func writePlain(_ string: String, to output: inout [UInt8], isPlain: (UInt8) -> Bool) -> Bool {
    var string = string
    return string.withUTF8 { bytes in
      guard bytes.allSatisfy(isPlain) else { return false }
      output.append(UInt8(ascii: "\""))
      output.append(contentsOf: bytes)
      output.append(UInt8(ascii: "\""))
      return true
    }
  }
}
