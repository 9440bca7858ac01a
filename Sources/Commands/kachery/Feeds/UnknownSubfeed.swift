import Crypto
import Primitives

/// A subfeed of which nothing is known, although the feed's writer has published names: it was mistyped.
enum UnknownSubfeed {
  /// Most names that the error lists.
  private static let maximumListed = 8

  /// - Throws: `notFound` if names are published, and this one is not among them. It names the closest one.
  static func refuse(_ name: SubfeedName, among published: [SubfeedName]) throws(KacheryError) {
    guard SubfeedName(json: name.json) != nil, !published.isEmpty, !published.contains(name) else { return }
    let texts = published.compactMap(\.json.string)
    let meant = name.json.string.flatMap { Suggestion.nearest(to: $0, among: texts) }
    let listed = published.prefix(maximumListed).map { $0.json.string ?? $0.json.compact }.joined(separator: ", ")
    let more = published.count > maximumListed ? " and \(published.count - maximumListed) more" : ""
    throw KacheryError(
      .notFound,
      "The feed has no subfeed '\(name.json.string ?? name.json.compact)'."
        + (meant.map { " Did you mean '\($0)'?" } ?? "") + " It has \(listed)\(more).")
  }
}
