package import Primitives

/// A YAML document: scalars as written, sequences, and mappings in document order with distinct names.
package indirect enum YAMLValue: Hashable, Sendable {
  case scalar(YAMLScalar)
  case sequence([YAMLValue])
  case mapping([YAMLMember])
}

/// The text of a scalar and whether it was written without quotes.
///
/// The text stays unchanged because the meaning of a plain scalar depends on the reader: a node ID that consists only
/// of digits is still a node ID.
package struct YAMLScalar: Hashable, Sendable {
  package let text: String
  /// Whether it was written without quotes, block indicators or a tag, so that `true` is a boolean and `12` a number.
  package let isPlain: Bool
  /// The line of the document in which it begins, counted from 1. Equal values may be in different lines.
  package let line: Int

  package init(text: String, isPlain: Bool, line: Int = 1) {
    self.text = text
    self.isPlain = isPlain
    self.line = line
  }

  package static func == (left: YAMLScalar, right: YAMLScalar) -> Bool {
    left.isPlain == right.isPlain && left.text == right.text
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(text)
    hasher.combine(isPlain)
  }
}

/// A name in a mapping and its value.
package struct YAMLMember: Hashable, Sendable {
  package let name: ByteString
  package let value: YAMLValue
  /// The line of the name, counted from 1. Equal members may be in different lines.
  package let line: Int

  package init(name: ByteString, value: YAMLValue, line: Int = 1) {
    self.name = name
    self.value = value
    self.line = line
  }

  package static func == (left: YAMLMember, right: YAMLMember) -> Bool {
    left.name == right.name && left.value == right.value
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(value)
  }
}

extension YAMLValue {
  /// The value under this name; nil if this is not a mapping or has no such name.
  package subscript(name: ByteString) -> YAMLValue? { mapping?.first { $0.name == name }?.value }

  package var scalar: YAMLScalar? { if case .scalar(let scalar) = self { scalar } else { nil } }
  package var sequence: [YAMLValue]? { if case .sequence(let values) = self { values } else { nil } }
  package var mapping: [YAMLMember]? { if case .mapping(let members) = self { members } else { nil } }

  /// The scalar's text as written, whatever its type; nil for null and for values that are not scalars.
  package var text: String? { isNull ? nil : scalar?.text }

  /// Whether this is an empty plain scalar, `~` or `null`.
  package var isNull: Bool { plain.map { ["", "~", "null", "Null", "NULL"].contains($0) } ?? false }

  /// The boolean, in the spellings of YAML 1.1 and 1.2; nil if it is not one.
  package var bool: Bool? {
    switch plain {
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": true
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": false
    default: nil
    }
  }

  /// The decimal integer; nil if it is not one or does not fit.
  package var integer: Int64? { plain.flatMap { Self.isDecimal($0) ? Int64($0) : nil } }

  /// The number, in the notation of the YAML 1.2 core schema without infinities; nil if it is not one.
  package var number: Double? {
    if let integer { return Double(integer) }
    guard let plain, let first = plain.utf8.first(where: { $0 != 0x2d && $0 != 0x2b }),
      first == UInt8(ascii: ".") || (0x30...0x39).contains(first),
      plain.utf8.allSatisfy({ (0x30...0x39).contains($0) || ".eE+-".utf8.contains($0) }),
      let number = Double(plain), number.isFinite
    else { return nil }
    return number
  }

  /// The document as JSON, with plain scalars resolved by the YAML 1.2 core schema.
  package var json: JSONValue {
    switch self {
    case .sequence(let values): return .array(values.map(\.json))
    case .mapping(let members):
      return .object(JSONObject(distinct: members.map { JSONObject.Member(name: $0.name, value: $0.value.json) }))
    case .scalar(let scalar):
      if isNull { return .null }
      if let integer { return .integer(integer) }
      // Keeps the spelling if it is also valid in JSON.
      if let number { return (try? JSONParser.parse(scalar.text)) ?? .double(number) }
      // The other spellings of YAML 1.1 are ordinary strings in version 1.2.
      if let bool, ["t", "f"].contains(scalar.text.lowercasedASCII.first) { return .bool(bool) }
      return .string(scalar.text)
    }
  }

  private var plain: String? { scalar.flatMap { $0.isPlain ? $0.text : nil } }

  private static func isDecimal(_ text: String) -> Bool {
    let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    return !digits.isEmpty && digits.allSatisfy { (0x30...0x39).contains($0) }
  }
}
