/// `feed://FEEDID[/SUBFEED]`: how people name a feed, or one of its subfeeds.
package struct FeedURI: Hashable, Sendable, CustomStringConvertible {
  package let feed: FeedID
  /// The subfeed's name, or `~` and its hash; nil if the feed itself is meant. It may hold slashes.
  package let subfeed: ByteString?

  package init(feed: FeedID, subfeed: ByteString? = nil) {
    self.feed = feed
    self.subfeed = subfeed
  }

  /// The URI in the form that every client reads.
  package var description: String { "feed://\(feed)" + (subfeed.map { "/\(PercentEncoding.encode($0.text))" } ?? "") }

  /// Whether `text` is meant as the URI of a feed.
  package static func isMeant(by text: String) -> Bool { text.begins(with: scheme) }

  private static let scheme = "feed://"

  /// Reads a URI; what follows a `?` never had a meaning.
  ///
  /// - Throws: `badRequest` with a sentence that names what is wrong with it.
  package init(parsing text: String) throws(KacheryError) {
    guard let rest = text.removing(prefix: Self.scheme) else {
      throw KacheryError(.badRequest, "'\(text)' is not a feed URI: it does not begin with feed://.")
    }
    let (digits, name) = rest.cut(at: "?").head.cut(at: "/")
    guard let feed = FeedID(hex: digits) else {
      throw KacheryError(
        .badRequest, "'\(text)' is not a feed URI: after feed:// there must be 64 hexadecimal digits.")
    }
    let subfeed = ByteString(PercentEncoding.decode(name ?? ""))
    self.init(feed: feed, subfeed: subfeed.isEmpty ? nil : subfeed)
  }
}
