import Primitives

/// Suggests a known word for a mistyped one.
enum Suggestion {
  /// The command that is meant: one of a group, if the word names it without the group (`status`) or names the group in
  /// the plural (`channels`), or else the closest; nil if there is none.
  static func command(for word: String, among known: [String]) -> String? {
    let ofGroups = known.filter { $0.cut(at: " ").tail == word[...] }
    if ofGroups.count == 1 { return ofGroups[0] }
    let list = word.removing(suffix: "s").map { "\($0) list" }.flatMap { known.contains($0) ? $0 : nil }
    return list ?? nearest(to: word, among: known)
  }

  /// The closest known word by edit distance; nil if none is close.
  static func nearest(to word: String, among known: [String]) -> String? {
    EditDistance.nearest(to: word, among: known)
  }
}
