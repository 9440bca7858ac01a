import Crypto
import Primitives

/// A feed named on the command line, and its subfeeds if any are named.
struct NamedFeed {
  let id: FeedID
  /// The named subfeeds, in the feed's operand or in options.
  let subfeeds: [SubfeedName]

  /// The options by which a subfeed may be named.
  static let options = [
    Option("--subfeed", "NAME", "the subfeed, if the feed's URI does not name it; ~HASH for its hash"),
    Option("--subfeed-json", "JSON", "the subfeed, if its name is JSON instead of text"),
  ]

  /// How to name a feed, for `--help`.
  static let explanation = """
    Name a feed by its URI, feed://ID, or by its name on this node, followed by the subfeed: feed://ID/main or lab/main.
    """

  /// Finds the feed that the first operand names.
  ///
  /// - Throws: `notFound` if no feed has the name.
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
        throw KacheryError(.badRequest, "--subfeed-json: '\(text)' is not JSON; use --subfeed for a name that is text.")
      }
      names.append(value.string.map { .text(ByteString($0)) } ?? .json(value))
    }
    return names
  }

  /// Finds a feed by its name; a subfeed's name may follow it. Both may contain slashes: the shortest name of a feed
  /// counts.
  private static func find(_ text: String, _ client: FeedClient) throws(KacheryError) -> (FeedID, ByteString?) {
    if let feed = try client.feed(named: text) { return (feed, nil) }
    guard !text.ends(with: "/") else {
      throw KacheryError(.badRequest, "'\(text)' names no subfeed after the slash; leave the slash out, or add a name.")
    }
    let parts = text.parts(separatedBy: "/")
    for count in parts.indices.dropFirst() {
      let name = parts[..<count].joined(separator: "/")
      guard !name.isEmpty, let feed = try client.feed(named: name) else { continue }
      return (feed, ByteString(parts[count...].joined(separator: "/")))
    }
    throw KacheryError(
      .notFound, "No feed on this node has the name '\(text)'; 'kachery feed list' lists the feeds.")
  }

  /// The key of the only subfeed.
  ///
  /// - Throws: `badRequest` if none or several are named.
  func key() throws(KacheryError) -> SubfeedKey { SubfeedKey(id, try subfeed().hash()) }

  /// The only subfeed.
  ///
  /// - Throws: `badRequest` if none or several are named.
  func subfeed() throws(KacheryError) -> SubfeedName {
    guard let name = subfeeds.first else {
      throw KacheryError(.badRequest, "The subfeed is missing: add /NAME to the feed, or --subfeed NAME.")
    }
    guard subfeeds.count == 1 else { throw KacheryError(.badRequest, "Several subfeeds are named; name one.") }
    return name
  }
}
