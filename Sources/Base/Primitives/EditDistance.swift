/// How much two words differ: letters to insert, remove or replace (Levenshtein's distance).
package enum EditDistance {
  /// The fewest such letters that make one word of the other.
  package static func between<Letter: Equatable>(_ one: [Letter], _ other: [Letter]) -> Int {
    var row = Array(0...other.count)
    for (index, letter) in one.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for (otherIndex, otherLetter) in other.enumerated() {
        let replaced = diagonal + (letter == otherLetter ? 0 : 1)
        diagonal = row[otherIndex + 1]
        row[otherIndex + 1] = min(replaced, diagonal + 1, row[otherIndex] + 1)
      }
    }
    return row[other.count]
  }

  /// The closest known word; nil if none is close.
  package static func nearest(to word: String, among known: [String]) -> String? {
    let distances = known.map { ($0, between(Array(word), Array($0))) }
    guard let best = distances.min(by: { $0.1 < $1.1 }), best.1 <= max(2, word.count / 3) else { return nil }
    return best.0
  }
}
