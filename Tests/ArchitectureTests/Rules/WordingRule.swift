/// Comments are plain English: they name who acts, and avoid phrases that readers have to translate.
enum WordingRule {
  /// Phrases without a legitimate use in a comment, each with advice.
  private static var phrases: [(phrase: Regex<Substring>, advice: String)] {
    [
      (/\b[Ww]hoever\b/, "name the caller, client, peer or user"),
      (/\b(?:[Nn]o|[Ss]ome|[Ee]very|[Aa]ny)body\b/, "name the caller, client, peer or user"),
      (/\b[Ss]o many (?:bytes|files|messages|nodes|peers|pieces|requests)\b/, "use a number or the parameter's name"),
      (/\b(?:[Nn]il|[Tt]rue|[Ff]alse) where\b/, "use 'if'"),
      (/\bat once\b/, "say 'immediately' or 'concurrently'"),
      (/\banew\b/, "say 'again', or that it restarts"),
      (/\b[Gg](?:ive|ives|ave|iven) back\b/, "say 'returns' or 'releases'"),
      (/\b[Ff]or ever\b/, "write 'forever'"),
      (/\b[Mm]ay be called again\b/, "say 'idempotent'"),
    ]
  }

  /// Each phrase contains one of these.
  private static let parts = [
    "hoever", "body", "o many", "where", "at once", "anew", " back", "or ever", "called again",
  ]

  /// At most one violation per line.
  static func violations(in file: SourceFile) -> [Violation] {
    let phrases = phrases
    return file.lines.indices.compactMap { index in
      guard file.lines[index].containsAny(of: parts),
        let comment = file.lines[index].firstMatch(of: /(?:^|\s)\/\/+ (.*)/)?.1
      else { return nil }
      for (phrase, advice) in phrases {
        if let found = comment.firstMatch(of: phrase) { return file.violation(at: index, "'\(found.0)': \(advice).") }
      }
      return nil
    }
  }
}
