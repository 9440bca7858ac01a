/// Bytewise search in external text.
///
/// `hasPrefix`, `split(separator: "/")`, `firstIndex(of: "/")` and the like compare characters. A combining mark or a
/// joiner after a separator forms one `Character` with it, as does "\r\n", so they miss the separator.
extension StringProtocol where SubSequence == Substring {
  private var whole: Substring { self[startIndex...] }

  /// Whether the text begins with the bytes of `prefix`.
  package func begins(with prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

  /// Whether the text ends with the bytes of `suffix`.
  package func ends(with suffix: String) -> Bool { removing(suffix: suffix) != nil }

  /// Whether the text contains the bytes of `part`.
  package func contains(bytesOf part: String) -> Bool {
    var rest = whole.utf8
    while !rest.starts(with: part.utf8) { guard rest.popFirst() != nil else { return false } }
    return true
  }

  /// The rest after `prefix`; nil if the text does not begin with it.
  package func removing(prefix: String) -> Substring? {
    begins(with: prefix) ? Substring(whole.utf8.dropFirst(prefix.utf8.count)) : nil
  }

  /// The rest before `suffix`; nil if the text does not end with it.
  package func removing(suffix: String) -> Substring? {
    let (bytes, end) = (whole.utf8, suffix.utf8)
    guard bytes.suffix(end.count).elementsEqual(end) else { return nil }
    return Substring(bytes.dropLast(end.count))
  }

  /// The text before and after the first `separator`, which must be ASCII; the whole text and nil if there is none.
  package func cut(at separator: Unicode.Scalar) -> (head: Substring, tail: Substring?) {
    cut(at: whole.utf8.firstIndex(of: UInt8(ascii: separator)))
  }

  /// The text before and after the last `separator`, which must be ASCII; the whole text and nil if there is none.
  package func cut(atLast separator: Unicode.Scalar) -> (head: Substring, tail: Substring?) {
    cut(at: whole.utf8.lastIndex(of: UInt8(ascii: separator)))
  }

  private func cut(at index: Index?) -> (head: Substring, tail: Substring?) {
    guard let index else { return (whole, nil) }
    return (self[..<index], self[whole.utf8.index(after: index)...])
  }

  /// The parts between separators, which must be ASCII; including empty parts unless `omittingEmpty`.
  package func parts(separatedBy separator: Unicode.Scalar, omittingEmpty: Bool = false) -> [Substring] {
    whole.utf8.split(separator: UInt8(ascii: separator), omittingEmptySubsequences: omittingEmpty).map { Substring($0) }
  }

  /// The last name of a path, with or without trailing slashes; empty if it has none.
  package var lastPathName: Substring { parts(separatedBy: "/", omittingEmpty: true).last ?? "" }

  /// The text with A to Z in lower case. Other letters stay: some of their lower-case forms are ASCII.
  package var lowercasedASCII: String {
    String(decoding: utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }

  /// The longest prefix of at most `count` bytes that does not split a code point.
  package func prefix(bytes count: Int) -> Substring {
    let scalars = whole.unicodeScalars
    let end = utf8.index(startIndex, offsetBy: count, limitedBy: endIndex) ?? endIndex
    return self[..<(end == endIndex ? end : scalars.index(before: scalars.index(after: end)))]
  }
}
