import Primitives

/// A feed that was named on the command line, and its subfeed where one was named.
struct NamedFeed {
  let id: FeedID
  /// The subfeeds that were named, behind the feed or by options.
  let subfeeds: [SubfeedName]

  /// The options by which a subfeed may be named.
  static let options = [
    Option("--subfeed", "NAME", "the subfeed, where the feed's URI does not name it; ~HASH for its hash"),
    Option("--subfeed-json", "JSON", "the subfeed, where its name is JSON and no text"),
  ]

  /// How people may name one, for `--help`.
  static let explanation = """
    A feed is named by its URI, feed://ID, or by the name that it has on this node; a subfeed behind it: feed://ID/main or
    lab/main.
    """

  /// Finds the feed that the first operand names.
  ///
  /// - Throws: `notFound` where no feed has the name.
  init(_ arguments: Arguments, _ client: FeedClient) throws(KacheryError) {
    guard let text = arguments.operands.first else { throw KacheryError(.badRequest, "The feed is missing.") }
    var inAddress: ByteString?
    if FeedURI.isMeant(by: text) {
      let uri = try FeedURI(parsing: text)
      (id, inAddress) = (uri.feed, uri.subfeed)
    } else {
      (id, inAddress) = try Self.find(text, client)
    }
    subfeeds = (inAddress.map { [.text($0)] } ?? []) + (try Self.subfeeds(named: arguments))
  }

  /// Every subfeed that the options name.
  private static func subfeeds(named arguments: Arguments) throws(KacheryError) -> [SubfeedName] {
    var names = arguments.allValues("--subfeed").map { SubfeedName.text(ByteString($0)) }
    for text in arguments.allValues("--subfeed-json") {
      guard let value = try? JSONParser.parse(Array(text.utf8)) else {
        throw KacheryError(.badRequest, "'\(text)' is no JSON; a name that is text goes with --subfeed.")
      }
      names.append(value.string.map { .text(ByteString($0)) } ?? .json(value))
    }
    return names
  }

  /// A name may hold slashes, and the name of a subfeed may follow it.
  private static func find(_ text: String, _ client: FeedClient) throws(KacheryError) -> (FeedID, ByteString?) {
    if let feed = try client.feed(named: text) { return (feed, nil) }
    let (name, subfeed) = text.cut(at: "/")
    if let subfeed, let feed = try client.feed(named: String(name)) { return (feed, ByteString(subfeed)) }
    throw KacheryError(
      .notFound, "No feed of this node has the name '\(text)'; 'kachery feed list' shows those that there are.")
  }

  /// The only subfeed, as the daemon knows it.
  ///
  /// - Throws: `badRequest` where none was named, or several.
  func key() throws(KacheryError) -> SubfeedKey {
    guard let name = subfeeds.first else {
      throw KacheryError(.badRequest, "The subfeed is missing: add /NAME to the feed, or --subfeed NAME.")
    }
    guard subfeeds.count == 1 else { throw KacheryError(.badRequest, "Several subfeeds are named; name one.") }
    return SubfeedKey(id, try name.hash())
  }
}
