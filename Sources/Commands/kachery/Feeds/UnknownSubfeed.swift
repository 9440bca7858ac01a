import Crypto
import Primitives

/// A subfeed whose name was probably mistyped: none of its messages are here, and the writer has published other names.
enum UnknownSubfeed {
  /// Most names that the error lists.
  private static let maximumListed = 8

  /// - Parameter holdings: what this node has of the feed, as `FeedClient.holdings` returns it.
  /// - Throws: `notFound` if names are published, and this one is not among them. It names the closest one.
  static func refuse(_ name: SubfeedName, in holdings: JSONValue?) throws(KacheryError) {
    let subfeeds = holdings?["subfeeds"]?.array ?? []
    let published = subfeeds.compactMap { subfeed in
      subfeed["name"].flatMap { $0 == .null ? nil : SubfeedName(json: $0) }
    }
    guard SubfeedName(json: name.json) != nil, !published.isEmpty, !published.contains(name) else { return }
    let names = published.map(\.shown).sorted { ByteString($0) < ByteString($1) }
    let texts = published.compactMap(\.json.string)
    let meant = name.json.string.flatMap { Suggestion.nearest(to: $0, among: texts) }
    let listed = names.prefix(maximumListed).joined(separator: ", ")
    let more = published.count > maximumListed ? " and \(published.count - maximumListed) more" : ""
    throw KacheryError(
      .notFound,
      "The feed has no subfeed '\(name.shown)'."
        + (meant.map { " Did you mean '\($0)'?" } ?? "") + " It has \(listed)\(more).")
  }
}
