/// `feed://FEEDID[/SUBFEED]`: names a feed or one of its subfeeds.
package struct FeedURI: Hashable, Sendable, CustomStringConvertible {
  package let feed: FeedID
  /// The subfeed's name, or `~` and its hash; nil for the feed itself. It may contain slashes.
  package let subfeed: ByteString?

  package init(feed: FeedID, subfeed: ByteString? = nil) {
    self.feed = feed
    self.subfeed = subfeed
  }

  /// The URI in the form that every client accepts.
  package var description: String { "feed://\(feed)" + (subfeed.map { "/\(PercentEncoding.encode($0.text))" } ?? "") }

  /// Whether `text` has the scheme of a feed URI.
  package static func isMeant(by text: String) -> Bool { text.begins(with: scheme) }

  private static let scheme = "feed://"

  /// Reads a URI; ignores everything after a `?`, which never had a meaning.
  ///
  /// - Throws: `badRequest` with a message that explains what is wrong.
  package init(parsing text: String) throws(KacheryError) {
    guard let rest = text.removing(prefix: Self.scheme) else {
      throw KacheryError(.badRequest, "'\(text)' is not a feed URI: it does not begin with feed://.")
    }
    let (digits, name) = rest.cut(at: "?").head.cut(at: "/")
    guard let feed = FeedID(hex: digits) else {
      throw KacheryError(
        .badRequest, "'\(text)' is not a feed URI: feed:// must be followed by 64 hexadecimal digits.")
    }
    let subfeed = ByteString(PercentEncoding.decode(name ?? ""))
    self.init(feed: feed, subfeed: subfeed.isEmpty ? nil : subfeed)
  }
}
