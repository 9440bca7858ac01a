/// The names declared as sets or dictionaries, as far as a line scanner can determine.
struct UnorderedNames {
  /// The kind of value that a name has.
  private enum Kind {
    case ordered
    case unordered
    /// A dictionary of sets or dictionaries, or an array of them.
    case nested
  }

  private struct Declaration {
    let line: Int
    let kind: Kind
  }

  /// What a line declares.
  private struct Line {
    /// Names with the kinds of their types.
    let typed: [(name: String, kind: Kind)]
    /// Names with their initial values.
    let assigned: [(name: String, value: String)]

    init(_ text: String) {
      typed = UnorderedNames.declarations(text)
      let hasValue = text.containsAny(of: ["let ", "var "]) && text.containsAny(of: [" = "])
      let found = hasValue ? text.matches(of: /\b(?:let|var) (\w+) = (.+)/) : []
      assigned = found.map { match in
        (String(match.output.1), UnorderedNames.initializer(String(match.output.2)))
      }
    }
  }

  /// By file path and name.
  private var inFile: [String: [String: [Declaration]]] = [:]
  /// By module and name.
  private var inModule: [String: [String: [Kind]]] = [:]
  private var anywhere: [String: [Kind]] = [:]

  init(of files: [SourceFile]) {
    let lines = files.map { file in file.code.map(Line.init) }
    // A declaration may depend on another one, so the second pass uses the results of the first.
    for _ in 0..<2 {
      let known = self
      self = UnorderedNames()
      for (file, lines) in zip(files, lines) { note(lines, of: file, known) }
    }
  }

  private init() {}

  private mutating func note(_ lines: [Line], of file: SourceFile, _ known: UnorderedNames) {
    for (index, line) in lines.enumerated() {
      for (name, kind) in line.typed { note(name, kind, at: index, of: file) }
      for (name, value) in line.assigned {
        note(name, known.isUnordered(value, at: index, of: file) ? .unordered : .ordered, at: index, of: file)
      }
    }
  }

  private mutating func note(_ name: String, _ kind: Kind, at line: Int, of file: SourceFile) {
    inFile[file.path, default: [:]][name, default: []].append(Declaration(line: line, kind: kind))
    inModule[file.module ?? "", default: [:]][name, default: []].append(kind)
    anywhere[name, default: []].append(kind)
  }

  /// Names with their types: properties, parameters, and functions (with a parenthesis) with their return types.
  private static func declarations(_ text: String) -> [(name: String, kind: Kind)] {
    guard text.containsAny(of: [": ", "-> "]) else { return [] }
    let typed = text.matches(of: /(\w+): (?:inout )?(?=[A-Z\[(])/).map { match in
      (String(match.output.1), kind(of: text[match.range.upperBound...]))
    }
    guard text.containsAny(of: ["func "]), let function = text.firstMatch(of: /func (\w+).*-> (.*)/) else {
      return typed
    }
    return typed + [("\(function.output.1)(", kind(of: function.output.2))]
  }

  /// The kind of the type at the beginning of the text. A list of tuples contains a colon as well, but no key before
  /// it.
  private static func kind(of type: Substring) -> Kind {
    if type.firstMatch(of: /^\[(?:[^\[\](),]*: )?(?:Set<|\[[^\[\](),]*: )/) != nil { return .nested }
    return type.firstMatch(of: /^(?:Set<|\[[^\[\](),]*: )/) != nil ? .unordered : .ordered
  }

  /// The kind of an initial value, up to the next condition.
  private static func initializer(_ text: String) -> String {
    var depth = 0
    for index in text.indices {
      switch text[index] {
      case "(", "[", "{": depth += 1
      case ")", "]", "}": depth -= 1
      case "," where depth == 0: return String(text[..<index])
      case " " where depth == 0 && text[index...].hasPrefix(" else "): return String(text[..<index])
      default: break
      }
    }
    return text
  }

  /// Whether a loop over the value would run in a different order in each process.
  func isUnordered(_ expression: String, at line: Int, of file: SourceFile) -> Bool {
    if expression.contains(".sorted") { return false }
    if expression.contains(/\.(values|keys)(?!\w)(?!\.count)/) || expression.contains("?? [:]") { return true }
    if expression.contains(/^(Set|Dictionary)[<(]/) || expression.hasPrefix("[:]") { return true }
    let bare = Self.withoutArguments(expression)
    return bare.split(separator: " + ").contains { isUnorderedChain(String($0), at: line, of: file) }
  }

  /// Operations that preserve the order, if there is one.
  private static let steps: Set<String> = [
    "filter", "map", "compactMap", "flatMap", "lazy", "union", "subtracting", "intersection", "prefix", "dropFirst",
    "reversed", "enumerated", "mapValues",
  ]

  private func isUnorderedChain(_ chain: String, at line: Int, of file: SourceFile) -> Bool {
    let expression = chain.replacing("?? []", with: "")
    var links = expression.split(separator: ".").map {
      $0.filter { $0.isLetter || $0.isNumber || "_[(".contains($0) }
    }
    while let last = links.last, Self.steps.contains(last.filter { $0 != "(" }) { links.removeLast() }
    guard let last = links.last else { return false }
    let name = last.filter { $0 != "[" }
    let kind = links.count > 1 && links.first != "self" ? kind(ofMember: name, file) : kind(of: name, at: line, file)
    return last.hasSuffix("[") ? kind == .nested : kind == .unordered || kind == .nested
  }

  /// The nearest declaration above, otherwise another one in the file or the module.
  private func kind(of name: String, at line: Int, _ file: SourceFile) -> Kind? {
    let own = inFile[file.path]?[name] ?? []
    if let nearest = own.last(where: { $0.line < line }) ?? own.first { return nearest.kind }
    return inModule[file.module ?? ""]?[name]?.first { $0 != .ordered }
  }

  /// A member of any type in this module, or in another one.
  private func kind(ofMember name: String, _ file: SourceFile) -> Kind? {
    (inModule[file.module ?? ""]?[name] ?? anywhere[name])?.first { $0 != .ordered }
  }

  /// The text without the contents of parentheses, brackets and closures; calls and subscripts keep their opening sign.
  private static func withoutArguments(_ text: String) -> String {
    var depth = 0
    var result = ""
    for character in text {
      if "([{".contains(character) {
        if depth == 0, character != "{" { result.append(character) }
        depth += 1
      } else if ")]}".contains(character) {
        depth -= 1
      } else if depth == 0 {
        result.append(character)
      }
    }
    return result
  }
}
