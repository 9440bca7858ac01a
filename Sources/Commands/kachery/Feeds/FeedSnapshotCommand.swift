import APIModel
import Primitives

extension Command {
  /// `kachery feed snapshot`
  static let feedSnapshot = Command(
    name: "feed snapshot", usage: "FEED[/SUBFEED]",
    summary: "Stores the current messages of subfeeds as a file, and prints its URI.",
    details: """
      The file never changes; Python's load_feed reads it like a feed. --subfeed may be repeated. Only messages on this
      node are included: 'kachery feed read' fetches those of another node's feed.
      """,
    options: NamedFeed.options + [json],
    examples: [
      "kachery feed snapshot lab-notes/main", "kachery feed snapshot feed://… --subfeed main --subfeed sensor",
    ],
    run: { (arguments) throws(KacheryError) in
      _ = try arguments.operand("feed")
      let client = try FeedClient.require()
      let feed = try NamedFeed(arguments, client)
      guard !feed.subfeeds.isEmpty else {
        throw KacheryError(.badRequest, "The subfeed is missing: add /NAME to the feed, or --subfeed NAME.")
      }
      var content = JSONObject()
      for name in feed.subfeeds {
        let hash = try name.hash()
        let messages = try messages(of: SubfeedKey(feed.id, hash), client)
        if messages.isEmpty {
          Console.note("No messages in \(FeedURI(feed: feed.id, subfeed: try name.inURI())).")
        }
        content[ByteString(hash.hex)] = ["subfeedHash": .string(hash.hex), "messages": .array(messages)]
      }
      // The published clients' format, so that the same messages have the same URI.
      let document: JSONValue = ["subfeeds": .object(content)]
      let stored = try client.daemon.upload(document.compactBytes)
      let uri = KacheryURI(key: FileKey(hash: stored.hash, manifest: stored.manifest), label: "feed.json").description
      Console.result(arguments.has("--json") ? (["uri": .string(uri)] as JSONValue).compact : uri)
      return .done
    })

  private static func messages(of subfeed: SubfeedKey, _ client: FeedClient) throws(KacheryError) -> [JSONValue] {
    var reader = SubfeedReader(client, subfeed, from: 0, isSigned: false, isLocal: true)
    var messages: [JSONValue] = []
    while true {
      let more = try reader.next(wait: .zero)
      guard !more.isEmpty else { return messages }
      messages += more
    }
  }
}
