/// The targets in `Package.swift`, extracted from its text: a list of calls whose first string is the name.
struct PackageManifest {
  /// A target: its folder and its dependencies.
  struct Target: Equatable {
    let name: String
    let path: String
    let dependencies: Set<String>
  }

  let shims: [Target]
  let modules: [Target]
  let tests: [Target]

  init(text: String) {
    shims = Self.calls(of: "shim(", in: text).compactMap { strings in
      strings.first.map { Target(name: $0, path: "CShims/\($0)", dependencies: []) }
    }
    let plain = Self.calls(of: "module(", in: text).compactMap { strings -> Target? in
      guard strings.count > 1 else { return nil }
      return Target(
        name: strings[0], path: "Sources/\(strings[1])/\(strings[0])", dependencies: Set(strings.dropFirst(2)))
    }
    let commands = Self.calls(of: "command(", in: text).compactMap { strings in
      strings.first.map {
        Target(name: $0, path: "Sources/Commands/\($0)", dependencies: Set(strings.dropFirst()))
      }
    }
    let spelledOut = Self.calls(of: ".target(", in: text).compactMap { strings -> Target? in
      guard let name = strings.first, let path = strings.dropFirst().first(where: { $0.contains("/") }) else {
        return nil
      }
      // Names of excluded files contain a dot; module names do not.
      let dependencies = strings.dropFirst().filter { $0 != path && !$0.contains(".") }
      return Target(name: name, path: path, dependencies: Set(dependencies))
    }
    modules = plain + commands + spelledOut.filter { $0.path.hasPrefix("Sources/") }
    tests =
      Self.calls(of: "tests(", in: text).compactMap { strings in
        strings.first.map { Target(name: $0, path: "Tests/\($0)", dependencies: Set(strings.dropFirst())) }
      } + spelledOut.filter { $0.path.hasPrefix("Tests/") }
  }

  /// The string literals of each call of `name`. The functions' own declarations contain none that matter: they precede
  /// the package, where reading starts.
  private static func calls(of name: String, in text: String) -> [[String]] {
    guard let start = text.range(of: "let package = Package(") else { return [] }
    var found: [[String]] = []
    var rest = text[start.upperBound...]
    while let call = rest.range(of: name) {
      let before = rest[..<call.lowerBound].last
      rest = rest[call.upperBound...]
      if before?.isLetter == true || (before == "." && !name.hasPrefix(".")) { continue }
      found.append(strings(upToClosingOf: rest))
    }
    return found
  }

  private static func strings(upToClosingOf text: Substring) -> [String] {
    var depth = 1
    var found: [String] = []
    var open: String?
    for character in text {
      if let current = open {
        if character == "\"" { found.append(current) }
        open = character == "\"" ? nil : current + String(character)
        continue
      }
      switch character {
      case "\"": open = ""
      case "(": depth += 1
      case ")": depth -= 1
      default: break
      }
      if depth == 0 { break }
    }
    return found
  }
}
