/// Scans the JSON of a manifest byte by byte from blocks. Keeps nothing of skipped values, however long they are.
struct ManifestScanner {
  /// A longer text is neither a hash nor the name of a known member.
  private static let longestText = 2 * ContentHash.byteCount

  private let nextBlock: () throws(KacheryError) -> [UInt8]
  private var block: [UInt8] = []
  private var position = 0
  /// Bytes in the earlier blocks.
  private var before = 0
  private var depth = 0

  init(nextBlock: @escaping () throws(KacheryError) -> [UInt8]) { self.nextBlock = nextBlock }

  func error(_ reason: String) -> KacheryError {
    KacheryError(.badManifest, "The manifest is not JSON: \(reason) (at byte \(before + position)).")
  }

  /// The next byte without consuming it; nil at the end.
  private mutating func peek() throws(KacheryError) -> UInt8? {
    if position < block.count { return block[position] }
    before += block.count
    position = 0
    block = try nextBlock()
    guard UInt64(before + block.count) <= Limits.maximumManifestSize else { throw error("it is too large") }
    return block.first
  }

  private mutating func peekToken() throws(KacheryError) -> UInt8? {
    while let byte = try peek() {
      guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return byte }
      position += 1
    }
    return nil
  }

  private mutating func take(_ byte: Character) throws(KacheryError) -> Bool {
    guard try peekToken() == byte.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func require(_ byte: Character) throws(KacheryError) {
    guard try take(byte) else { throw error("a '\(byte)' is missing") }
  }

  mutating func requireEnd() throws(KacheryError) {
    guard try peekToken() == nil else { throw error("something follows the document") }
  }

  // MARK: Objects and arrays

  /// The name of the object's next member, with the scanner at its value; nil after the last one.
  mutating func nextMember(isFirst: inout Bool) throws(KacheryError) -> String? {
    guard try hasNext("{", "}", &isFirst) else { return nil }
    let name = try text()
    try require(":")
    // A name that is too long is treated like any other unknown name.
    return name ?? ""
  }

  /// Whether the array has another element, with the scanner at it.
  mutating func nextElement(isFirst: inout Bool) throws(KacheryError) -> Bool { try hasNext("[", "]", &isFirst) }

  private mutating func hasNext(
    _ opening: Character, _ closing: Character, _ isFirst: inout Bool
  ) throws(KacheryError) -> Bool {
    guard isFirst else {
      if try take(closing) {
        depth -= 1
        return false
      }
      try require(",")
      return true
    }
    isFirst = false
    try require(opening)
    guard depth < JSONParser.maximumDepth else { throw error("the document is nested too deeply") }
    if try take(closing) { return false }
    depth += 1
    return true
  }

  // MARK: Values

  /// A number without sign, fraction or exponent.
  mutating func number() throws(KacheryError) -> UInt64 {
    guard let first = try peekToken(), (0x30...0x39).contains(first) else { throw error("a number is missing") }
    var number: UInt64 = 0
    var digits = 0
    while let byte = try peek(), (0x30...0x39).contains(byte) {
      let (shifted, isTooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, isMore) = shifted.addingReportingOverflow(UInt64(byte - 0x30))
      guard !isTooLarge, !isMore, sum <= UInt64(Int64.max) else { throw error("a number is too large") }
      number = sum
      digits += 1
      position += 1
    }
    guard digits == 1 || first != 0x30 else { throw error("a number begins with 0") }
    return number
  }

  mutating func hash() throws(KacheryError) -> ContentHash {
    guard let hash = try text().flatMap({ ContentHash(hex: $0) }) else { throw error("a hash is missing") }
    return hash
  }

  /// A text; nil if it is longer than any known text, or contains an escape, which no known text has.
  private mutating func text() throws(KacheryError) -> String? {
    try require("\"")
    var text: [UInt8] = []
    var counts = true
    while let byte = try peek() {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return counts ? String(validating: text, as: UTF8.self) : nil
      case UInt8(ascii: "\\"):
        counts = false
        guard try peek() != nil else { break }
        position += 1
      case 0..<0x20: throw error("a string contains a control character")
      default:
        if text.count < Self.longestText { text.append(byte) } else { counts = false }
      }
    }
    throw error("a string does not end")
  }

  /// Skips a value of any kind.
  mutating func skipValue() throws(KacheryError) {
    var isFirst = true
    switch try peekToken() {
    case UInt8(ascii: "{"): while try nextMember(isFirst: &isFirst) != nil { try skipValue() }
    case UInt8(ascii: "["): while try nextElement(isFirst: &isFirst) { try skipValue() }
    case UInt8(ascii: "\""): _ = try text()
    default: try skipWord()
    }
  }

  /// Skips a number, true, false or null without checking its spelling.
  private mutating func skipWord() throws(KacheryError) {
    var count = 0
    while let byte = try peek(), Self.standsInWords(byte) {
      count += 1
      position += 1
    }
    guard count > 0 else { throw error("a value is missing") }
  }

  private static func standsInWords(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"),
      UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }
}
