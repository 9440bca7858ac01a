/// Blanks comments and the contents of string literals, and keeps every line in place. Works on bytes, because it reads
/// all sources.
///
/// It knows only as much Swift as the rules need: an interpolation is part of its string, and an unfinished string ends
/// with its line.
struct CodeScanner {
  private enum State: Equatable {
    case code
    case lineComment
    case blockComment(depth: Int)
    case string
    case longString
  }

  private static let newline = UInt8(ascii: "\n")
  private static let backslash = UInt8(ascii: "\\")
  private static let quote = UInt8(ascii: "\"")

  private let text: [UInt8]
  private var state = State.code
  private var result: [UInt8] = []

  private init(_ text: String) { self.text = Array(text.utf8) }

  static func code(of text: String) -> String {
    var scanner = CodeScanner(text)
    var place = 0
    while place < scanner.text.count { place += scanner.consume(at: place) }
    return String(decoding: scanner.result, as: UTF8.self)
  }

  private func has(_ token: StaticString, at place: Int) -> Bool {
    let count = token.utf8CodeUnitCount
    guard place + count <= text.count else { return false }
    return (0..<count).allSatisfy { text[place + $0] == token.utf8Start[$0] }
  }

  /// Consumes the token at a place and returns its number of bytes.
  private mutating func consume(at place: Int) -> Int {
    let byte = text[place]
    if byte == Self.newline {
      if state == .lineComment || state == .string { state = .code }
      result.append(byte)
      return 1
    }
    switch state {
    case .code: return consumeCode(byte, at: place)
    case .lineComment: return 1
    case .blockComment(let depth): return consumeComment(depth, at: place)
    case .string: return consumeString(byte, at: place)
    case .longString:
      guard has("\"\"\"", at: place) else { return byte == Self.backslash ? 2 : 1 }
      return enter(.code, writing: Self.quote, taking: 3)
    }
  }

  private mutating func consumeCode(_ byte: UInt8, at place: Int) -> Int {
    if byte == UInt8(ascii: "/") {
      if has("//", at: place) { return enter(.lineComment, taking: 2) }
      if has("/*", at: place) { return enter(.blockComment(depth: 1), taking: 2) }
    }
    if byte == Self.quote {
      let isLong = has("\"\"\"", at: place)
      return enter(isLong ? .longString : .string, writing: Self.quote, taking: isLong ? 3 : 1)
    }
    result.append(byte)
    return 1
  }

  private mutating func consumeComment(_ depth: Int, at place: Int) -> Int {
    if has("/*", at: place) { return enter(.blockComment(depth: depth + 1), taking: 2) }
    guard has("*/", at: place) else { return 1 }
    return enter(depth == 1 ? .code : .blockComment(depth: depth - 1), taking: 2)
  }

  private mutating func consumeString(_ byte: UInt8, at place: Int) -> Int {
    if byte == Self.backslash { return place + 1 < text.count && text[place + 1] == Self.newline ? 1 : 2 }
    return byte == Self.quote ? enter(.code, writing: Self.quote, taking: 1) : 1
  }

  private mutating func enter(_ next: State, writing byte: UInt8? = nil, taking count: Int) -> Int {
    state = next
    if let byte { result.append(byte) }
    return count
  }
}
