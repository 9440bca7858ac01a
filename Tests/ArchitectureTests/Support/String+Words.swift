import Foundation

/// Quick questions about a line. A regular expression takes a hundred times as long, and is tried only if they say that it
/// can match.
extension String {
  /// Whether it contains one of these texts.
  func containsAny(of texts: [String]) -> Bool {
    withCString { line in texts.contains { strstr(line, $0) != nil } }
  }

  /// Its words that begin with a capital letter, sorted. What follows a point is part of the word before it.
  var capitalizedWords: [String] {
    let words = utf8.split { !Self.isInWord($0) && $0 != UInt8(ascii: ".") }
      .map { String(Substring($0.prefix { $0 != UInt8(ascii: ".") })) }
    return Set(words.filter { $0.first?.isUppercase ?? false }).sorted()
  }

  private static func isInWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: byte >= 0x80
    }
  }
}
