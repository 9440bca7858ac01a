extension JSONValue {
  /// The document in one line without spaces, members in their order: what Python's
  /// `json.dumps(separators=(",", ":"))` writes of the same values, so that hashes of documents agree.
  package var compact: String { String(decoding: compactBytes, as: UTF8.self) }

  /// The UTF-8 of `compact`.
  package var compactBytes: [UInt8] {
    var output: [UInt8] = []
    write(to: &output)
    return output
  }

  private func write(to output: inout [UInt8]) {
    switch self {
    case .null: output.append(contentsOf: "null".utf8)
    case .bool(let bool): output.append(contentsOf: (bool ? "true" : "false").utf8)
    case .integer(let integer): output.append(contentsOf: String(integer).utf8)
    case .double(let double): output.append(contentsOf: Self.text(double).utf8)
    case .string(let string): Self.write(string, to: &output)
    case .array(let values):
      output.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        value.write(to: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .object(let object):
      output.append(UInt8(ascii: "{"))
      for (index, member) in object.members.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        Self.write(member.name, to: &output)
        output.append(UInt8(ascii: ":"))
        member.value.write(to: &output)
      }
      output.append(UInt8(ascii: "}"))
    }
  }

  /// The shortest digits that give the same number, as Python prints them: from 1e16 on with an exponent, where Swift
  /// begins with it only at 2^54.
  private static func text(_ double: Double) -> String {
    guard double.isFinite else { return "null" }
    let text = "\(double)"
    guard double.magnitude >= 1e16, text.hasSuffix(".0") else { return text }
    let sign = double < 0 ? "-" : ""
    var digits = text.dropFirst(sign.count).dropLast(2)
    let exponent = digits.count - 1
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
    return "\(sign)\(digits.prefix(1))\(fraction)e+\(exponent)"
  }

  /// Python escapes everything outside printable ASCII by default; every JSON reader understands it.
  private static func write(_ string: String, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for unit in string.utf16 {
      switch unit {
      case 0x22: output.append(contentsOf: #"\""#.utf8)
      case 0x5c: output.append(contentsOf: #"\\"#.utf8)
      case 0x08: output.append(contentsOf: #"\b"#.utf8)
      case 0x0c: output.append(contentsOf: #"\f"#.utf8)
      case 0x0a: output.append(contentsOf: #"\n"#.utf8)
      case 0x0d: output.append(contentsOf: #"\r"#.utf8)
      case 0x09: output.append(contentsOf: #"\t"#.utf8)
      case 0x20..<0x7f: output.append(UInt8(unit))
      default: output.append(contentsOf: ("\\u" + Hex.encode([UInt8(unit >> 8), UInt8(unit & 255)])).utf8)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
