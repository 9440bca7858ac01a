extension String {
  /// The text without characters that could change how the text around it is shown, each replaced by a space: control
  /// characters, which a terminal obeys; line and paragraph separators, which would let one entry of a log look like two;
  /// and those that set the direction of writing, which let a text look like another one.
  ///
  /// All text from other nodes and other users is shown this way: labels, names, messages, and reasons.
  package var printable: String { replacing { $0.isObeyed } }

  /// Whether it has no such characters.
  package var isPrintable: Bool { !unicodeScalars.contains(where: \.isObeyed) }

  /// As `printable`, but lines and tabs stay: for output that the program itself has divided into lines.
  package var printableLines: String { replacing { $0.isObeyed && $0 != "\n" && $0 != "\t" } }

  private func replacing(_ isReplaced: (Unicode.Scalar) -> Bool) -> String {
    guard unicodeScalars.contains(where: isReplaced) else { return self }
    return String(UnicodeScalarView(unicodeScalars.map { isReplaced($0) ? " " : $0 }))
  }
}

extension Unicode.Scalar {
  fileprivate var isObeyed: Bool {
    // Most text is ASCII, and looking up a property takes much longer.
    guard value >= 0x7f else { return value < 0x20 }
    guard !properties.isBidiControl else { return true }
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: return true
    default: return false
    }
  }
}
