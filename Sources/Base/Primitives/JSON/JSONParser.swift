/// Reads JSON (RFC 8259) from untrusted bytes: strict grammar, bounded depth and number of values, no duplicate member
/// names.
package struct JSONParser {
  /// Deeper nesting is rejected, so that no document can exhaust the stack.
  package static let maximumDepth = 64
  /// More values are rejected: each takes about 50 bytes of memory, but as few as two bytes of the document. The
  /// largest folder document has fewer.
  package static let maximumValues = 4_000_000

  /// Longer numbers are rejected: no reader keeps that many digits, and the time to parse one grows with the square of
  /// its length.
  package static let longestNumber = 1_000

  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0
  private var depth = 0
  /// How many more values are allowed.
  private var room: Int

  /// The document in `bytes`, which may have only white space around it.
  package static func parse(
    _ bytes: some Sequence<UInt8>, maximumValues: Int = maximumValues
  ) throws(JSONError) -> JSONValue {
    let result = bytes.withContiguousStorageIfAvailable { buffer in
      Result { () throws(JSONError) in try parse(buffer: buffer, maximumValues) }
    }
    if let result { return try result.get() }
    return try parse(Array(bytes), maximumValues: maximumValues)
  }

  /// The document in `text`.
  package static func parse(_ text: String) throws(JSONError) -> JSONValue { try parse(Array(text.utf8)) }

  private static func parse(
    buffer: UnsafeBufferPointer<UInt8>, _ maximumValues: Int
  ) throws(JSONError) -> JSONValue {
    var parser = JSONParser(bytes: buffer, room: maximumValues)
    let value = try parser.value()
    parser.skipSpace()
    guard parser.position == buffer.count else { throw parser.error("something follows the document") }
    return value
  }

  private init(bytes: UnsafeBufferPointer<UInt8>, room: Int) {
    self.bytes = bytes
    self.room = room
  }

  private func error(_ reason: String) -> JSONError { JSONError(offset: position, reason: reason) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
  }

  private mutating func value() throws(JSONError) -> JSONValue {
    skipSpace()
    guard room > 0 else { throw error("the document has too many values") }
    room -= 1
    guard let byte = next else { throw error("the document ends too early") }
    switch byte {
    case UInt8(ascii: "{"): return try nested { (parser) throws(JSONError) in try parser.object() }
    case UInt8(ascii: "["): return try nested { (parser) throws(JSONError) in try parser.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: return try number()
    }
  }

  private mutating func nested(
    _ read: (inout JSONParser) throws(JSONError) -> JSONValue
  ) throws(JSONError) -> JSONValue {
    guard depth < Self.maximumDepth else { throw error("the document is nested too deeply") }
    depth += 1
    defer { depth -= 1 }
    position += 1
    return try read(&self)
  }

  private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    for offset in 0..<text.utf8CodeUnitCount {
      guard next == text.utf8Start[offset] else { throw error("this is not a JSON value") }
      position += 1
    }
    return value
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func object() throws(JSONError) -> JSONValue {
    var members: [JSONObject.Member] = []
    var names: Set<ByteString> = []
    if take(UInt8(ascii: "}")) { return .object(JSONObject()) }
    repeat {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw error("a member's name is missing") }
      let name = ByteString(try string())
      guard isNew(name, among: members, &names) else { throw error("a member's name is repeated") }
      guard take(UInt8(ascii: ":")) else { throw error("a colon is missing") }
      members.append(JSONObject.Member(name: name, value: try value()))
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw error("an object does not end") }
    return .object(JSONObject(distinct: members))
  }

  /// Objects with fewer members are searched linearly, which is faster for them.
  private static let membersToIndex = 16

  private func isNew(_ name: ByteString, among members: [JSONObject.Member], _ names: inout Set<ByteString>) -> Bool {
    guard members.count >= Self.membersToIndex else { return !members.contains { $0.name == name } }
    if members.count == Self.membersToIndex { names = Set(members.map(\.name)) }
    return names.insert(name).inserted
  }

  private mutating func array() throws(JSONError) -> JSONValue {
    var values: [JSONValue] = []
    if take(UInt8(ascii: "]")) { return .array([]) }
    repeat { values.append(try value()) } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw error("an array does not end") }
    return .array(values)
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = next, byte >= 0x30, byte <= 0x39 { position += 1 }
    return position - start
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    if next == UInt8(ascii: "-") { position += 1 }
    let leadingZero = next == UInt8(ascii: "0")
    let whole = digits()
    guard whole > 0 else { throw error("this is not a JSON value") }
    guard !(leadingZero && whole > 1) else { throw error("a number begins with 0") }
    var isInteger = true
    if next == UInt8(ascii: ".") {
      position += 1
      isInteger = false
      guard digits() > 0 else { throw error("a number has no digit after its point") }
    }
    if let byte = next, byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
      position += 1
      isInteger = false
      if let sign = next, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw error("a number has no digit in its exponent") }
    }
    guard position - start <= Self.longestNumber else {
      throw error("a number has more than \(Self.longestNumber) characters; write it as a string")
    }
    if isInteger, let integer = integer(from: start, digits: whole) { return .integer(integer) }
    let literal = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let double = Double(literal), double.isFinite else {
      throw error("a number is too large; write it as a string")
    }
    return .decimal(JSONNumber(literal: literal, double: double))
  }

  /// The integer that ends here; nil if it does not fit 64 bits, or is `-0`, whose sign an integer would lose.
  private func integer(from start: Int, digits count: Int) -> Int64? {
    let isNegative = bytes[start] == UInt8(ascii: "-")
    // One more digit may not fit.
    guard count < 19 else { return Int64(String(decoding: bytes[start..<position], as: UTF8.self)) }
    var magnitude: Int64 = 0
    for byte in bytes[(isNegative ? start + 1 : start)..<position] { magnitude = magnitude * 10 + Int64(byte & 15) }
    guard isNegative else { return magnitude }
    return magnitude == 0 ? nil : -magnitude
  }

  private mutating func string() throws(JSONError) -> String {
    position += 1
    let start = position
    while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    if next == UInt8(ascii: "\"") {
      defer { position += 1 }
      return try text(UnsafeBufferPointer(rebasing: bytes[start..<position]))
    }
    var unescaped = Array(bytes[start..<position])
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return try text(unescaped)
      case UInt8(ascii: "\\"): try escape(into: &unescaped)
      case 0..<0x20: throw error("a string contains a control character")
      default: unescaped.append(byte)
      }
    }
    throw error("a string does not end")
  }

  private func text(_ utf8: some Collection<UInt8>) throws(JSONError) -> String {
    // Most strings are ASCII and need no validation.
    if utf8.allSatisfy({ $0 < 0x80 }) { return String(decoding: utf8, as: UTF8.self) }
    guard let text = String(validating: utf8, as: UTF8.self) else { throw error("a string is not UTF-8") }
    return text
  }

  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    guard let byte = next else { throw error("a string does not end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: String(Character(try unicodeEscape())).utf8)
    default: throw error("an escape is unknown")
    }
  }

  private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let first = try codeUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xdc00, next == UInt8(ascii: "\\") else { throw error("a surrogate is unpaired") }
    position += 1
    guard next == UInt8(ascii: "u") else { throw error("a surrogate is unpaired") }
    position += 1
    let second = try codeUnit()
    guard (0xdc00...0xdfff).contains(second) else { throw error("a surrogate is unpaired") }
    let combined = 0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00)
    guard let scalar = Unicode.Scalar(combined) else { throw error("a surrogate is unpaired") }
    return scalar
  }

  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    guard bytes.count - position >= 4,
      let pair = Hex.decode(String(decoding: bytes[position..<position + 4], as: UTF8.self))
    else { throw error("an escape is cut short") }
    position += 4
    return UInt16(pair[0]) << 8 | UInt16(pair[1])
  }
}

/// Why a document is not JSON, and where.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The offset of the byte at which parsing stopped.
  package let offset: Int
  package let reason: String

  package var description: String { "\(reason) (at byte \(offset))" }
}
