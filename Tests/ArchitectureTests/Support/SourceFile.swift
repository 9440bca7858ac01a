import Foundation

/// A source file as the rules see it: the lines as written, and the lines with comments and string contents blanked, so
/// that a word in a sentence is not mistaken for code.
struct SourceFile {
  /// Relative to the repository's root.
  let path: String
  let lines: [String]
  let code: [String]

  init(path: String, text: String) {
    self.path = path
    let text = text.hasSuffix("\n") ? String(text.dropLast()) : text
    lines = text.components(separatedBy: "\n")
    code = CodeScanner.code(of: text).components(separatedBy: "\n")
  }

  /// The file's name without its folder.
  var name: String { String(path.split(separator: "/").last ?? "") }

  /// The module that the file belongs to, according to `Package.swift`.
  var module: String? {
    let parts = path.split(separator: "/").map(String.init)
    guard parts.first == "Sources", parts.count > 2 else { return nil }
    return Layer(rawValue: parts[1]) == .daemon ? parts[1] : parts.count > 3 ? parts[2] : nil
  }

  /// The layer that the file belongs to; nil outside `Sources`.
  var layer: Layer? {
    let parts = path.split(separator: "/").map(String.init)
    return parts.first == "Sources" && parts.count > 2 ? Layer(rawValue: parts[1]) : nil
  }

  /// A violation at a line counted from 0.
  func violation(at index: Int, _ reason: String) -> Violation {
    Violation(file: path, line: index + 1, reason: reason)
  }

  /// A violation at every line of code that `pattern` matches.
  ///
  /// - Parameter texts: one of them is in every line that it matches.
  func violations(of pattern: Regex<some Any>, in texts: [String], _ reason: String) -> [Violation] {
    code.indices.filter { code[$0].containsAny(of: texts) && code[$0].firstMatch(of: pattern) != nil }
      .map { violation(at: $0, reason) }
  }
}

/// A folder directly below `Sources`.
enum Layer: String, CaseIterable {
  case base = "Base"
  case core = "Core"
  case platform = "Platform"
  case services = "Services"
  case daemon = "Daemon"
  case commands = "Commands"
}
