/// Blanks comments and the contents of string literals, and keeps every line in place.
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

  private var state = State.code
  private var result = ""

  static func code(of text: String) -> String {
    var scanner = CodeScanner()
    var rest = Substring(text)
    while !rest.isEmpty { rest = rest.dropFirst(scanner.consume(rest)) }
    return scanner.result
  }

  /// Consumes the token at the front of `rest` and returns its number of characters.
  private mutating func consume(_ rest: Substring) -> Int {
    guard let character = rest.first else { return 0 }
    if character.isNewline {
      if state == .lineComment || state == .string { state = .code }
      result.append(character)
      return 1
    }
    switch state {
    case .code: return consumeCode(rest, character)
    case .lineComment: return 1
    case .blockComment(let depth): return consumeComment(rest, depth)
    case .string: return consumeString(rest, character)
    case .longString:
      guard rest.hasPrefix("\"\"\"") else { return character == "\\" ? 2 : 1 }
      return enter(.code, writing: "\"", taking: 3)
    }
  }

  private mutating func consumeCode(_ rest: Substring, _ character: Character) -> Int {
    if rest.hasPrefix("//") { return enter(.lineComment, writing: "", taking: 2) }
    if rest.hasPrefix("/*") { return enter(.blockComment(depth: 1), writing: "", taking: 2) }
    if rest.hasPrefix("\"\"\"") { return enter(.longString, writing: "\"", taking: 3) }
    if character == "\"" { return enter(.string, writing: "\"", taking: 1) }
    result.append(character)
    return 1
  }

  private mutating func consumeComment(_ rest: Substring, _ depth: Int) -> Int {
    if rest.hasPrefix("/*") { return enter(.blockComment(depth: depth + 1), writing: "", taking: 2) }
    guard rest.hasPrefix("*/") else { return 1 }
    return enter(depth == 1 ? .code : .blockComment(depth: depth - 1), writing: "", taking: 2)
  }

  private mutating func consumeString(_ rest: Substring, _ character: Character) -> Int {
    if character == "\\" { return rest.dropFirst().first?.isNewline == true ? 1 : 2 }
    return character == "\"" ? enter(.code, writing: "\"", taking: 1) : 1
  }

  private mutating func enter(_ next: State, writing text: String, taking count: Int) -> Int {
    state = next
    result += text
    return count
  }
}
