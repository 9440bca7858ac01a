/// External text is compared and searched by its bytes, never by its characters: with `ByteString` and the byte-wise
/// methods of Primitives.
enum TextRule {
  /// Files that only parse the program's own words, or numbers as Swift prints them.
  private static let exempt: Set<String> = [
    "Sources/Base/Crypto/CanonicalJSON.swift", "Sources/Platform/Database/Connection.swift",
    "Sources/Commands/kachery/CommandLine/Completion.swift",
    "Sources/Commands/kachery/CommandLine/Completion+Shells.swift", "Sources/Commands/kachery/CommandLine/Manual.swift",
    "Sources/Commands/kachery/CommandLine/Options.swift", "Sources/Commands/kachery/CommandLine/Overview.swift",
    "Sources/Commands/kachery/Output/Paragraph.swift", "Sources/Commands/kachery/Program.swift",
  ]

  static func violations(in file: SourceFile) -> [Violation] {
    guard file.path.hasPrefix("Sources/"), !exempt.contains(file.path) else { return [] }
    // The contents of literals are blanked, so any literal is "".
    let searching =
      /\.(split|firstIndex|lastIndex|contains|components|ranges?|replacing|starts)\(((separator|of|separatedBy|with): )?""/
    let comparing =
      /\.(split|prefix|drop|first|last|firstIndex|lastIndex|contains|filter|allSatisfy)(\(\w+:)? ?\{ ?\$0 [!=]= ""/
    let keyed = /\[String ?:|Set<String>/
    return file.violations(
      of: /\.has(Prefix|Suffix)\(/, in: [".has"], "Use begins(with:) or ends(with:), which compare bytes.")
      + file.violations(
        of: searching, in: ["\"\""], "Use cut(at:), parts(separatedBy:) or contains(bytesOf:), which compare bytes.")
      + file.violations(
        of: comparing, in: ["= \"\""], "A mark after the separator hides it: use cut(at:) or parts(separatedBy:).")
      + file.violations(
        of: keyed, in: ["[String", "Set<String>"],
        "Names that look alike would be one key: use ByteString.")
  }
}
