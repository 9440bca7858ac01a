/// A pattern for paths below a folder, as in rsync and .gitignore files.
///
/// `*` stands for any characters but slashes, `**` for any characters, `?` for one character but a slash, and `[a-z]`
/// and `[!a-z]` for one of some characters; a backslash takes the next character as it is. Without a slash the pattern
/// is compared with names at every depth, otherwise with the path below the folder. With a slash at its end it matches
/// folders only.
package struct GlobPattern: Hashable, Sendable {
  private enum Token: Hashable, Sendable {
    case one(Unicode.Scalar)
    case any
    case oneOf([ClosedRange<UInt32>], isInverted: Bool)
    /// Any number of characters.
    case some(crossingSlashes: Bool)
    /// `**/` at the beginning of a name: any number of folders. Followed by `insideFolders`.
    case folders
    case insideFolders
  }

  private let tokens: [Token]
  private let isForNames: Bool
  private let isForFolders: Bool

  /// Every text is a pattern: a bracket that is not closed stands for itself.
  package init(_ pattern: String) {
    var scalars = Array(pattern.unicodeScalars)
    isForFolders = scalars.count > 1 && scalars.last == "/"
    if isForFolders { scalars.removeLast() }
    let slash: Unicode.Scalar = "/"
    isForNames = !scalars.contains(slash)
    if scalars.first == "/" { scalars.removeFirst() }
    tokens = Self.tokens(of: scalars)
  }

  /// Whether the pattern matches the file or folder at this path below the stored folder, its names joined by slashes.
  package func matches(_ path: ByteString, isFolder: Bool) -> Bool {
    guard isFolder || !isForFolders else { return false }
    return matches((isForNames ? String(path.text.lastPathName) : path.text).unicodeScalars)
  }

  /// Follows every way to match at the same time, so that no pattern takes long.
  private func matches(_ text: String.UnicodeScalarView) -> Bool {
    var states: Set<Int> = []
    enter(0, &states)
    for scalar in text {
      var next: Set<Int> = []
      for state in states where state < tokens.count {
        switch tokens[state] {
        case .one(let wanted): if scalar == wanted { enter(state + 1, &next) }
        case .any: if scalar != "/" { enter(state + 1, &next) }
        case .oneOf(let ranges, let isInverted):
          if scalar != "/", ranges.contains(where: { $0.contains(scalar.value) }) != isInverted {
            enter(state + 1, &next)
          }
        case .some(let crossingSlashes): if crossingSlashes || scalar != "/" { enter(state, &next) }
        case .folders: break
        case .insideFolders:
          next.insert(state)
          if scalar == "/" { enter(state + 1, &next) }
        }
      }
      states = next
    }
    return states.contains(tokens.count)
  }

  /// Adds a state and those that are reached from it without a character.
  private func enter(_ state: Int, _ states: inout Set<Int>) {
    guard states.insert(state).inserted, state < tokens.count else { return }
    switch tokens[state] {
    case .some: enter(state + 1, &states)
    case .folders:
      states.insert(state + 1)
      enter(state + 2, &states)
    default: break
    }
  }

  private static func tokens(of scalars: [Unicode.Scalar]) -> [Token] {
    var tokens: [Token] = []
    var rest = scalars[...]
    var isAtName = true
    while let first = rest.popFirst() {
      let wasAtName = isAtName
      isAtName = first == "/"
      switch first {
      case "*" where rest.first == "*":
        while rest.first == "*" { rest.removeFirst() }
        if wasAtName, rest.first == "/" {
          rest.removeFirst()
          tokens += [.folders, .insideFolders]
          isAtName = true
        } else {
          tokens.append(.some(crossingSlashes: true))
        }
      case "*": tokens.append(.some(crossingSlashes: false))
      case "?": tokens.append(.any)
      case "\\": tokens.append(.one(rest.popFirst() ?? "\\"))
      case "[": tokens.append(takeClass(&rest) ?? .one("["))
      default: tokens.append(.one(first))
      }
    }
    return tokens
  }

  /// The rest of a class of characters; nil if it does not end.
  private static func takeClass(_ rest: inout ArraySlice<Unicode.Scalar>) -> Token? {
    var inside = rest
    let isInverted = inside.first == "!" || inside.first == "^"
    if isInverted { inside.removeFirst() }
    var ranges: [ClosedRange<UInt32>] = []
    while let first = inside.popFirst() {
      if first == "]", !ranges.isEmpty {
        rest = inside
        return .oneOf(ranges, isInverted: isInverted)
      }
      guard inside.first == "-", let last = inside.dropFirst().first, last != "]" else {
        ranges.append(first.value...first.value)
        continue
      }
      inside = inside.dropFirst(2)
      ranges.append(min(first.value, last.value)...max(first.value, last.value))
    }
    return nil
  }
}
