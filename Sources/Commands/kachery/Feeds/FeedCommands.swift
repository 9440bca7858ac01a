import Crypto
import Primitives

extension Command {
  /// `kachery feed create`
  static let feedCreate = Command(
    name: "feed create", usage: "[NAME]", summary: "Creates a feed that this node writes, and prints its URI.",
    details: "The name identifies the feed on this node only; other nodes use its URI.", options: [json],
    examples: ["kachery feed create", "kachery feed create lab-notes"],
    run: { (arguments) throws(KacheryError) in
      let name = arguments.operands.first
      if name != nil { try FeedName.require(try arguments.operand("name")) }
      let client = try FeedClient.require()
      if let name, let known = try client.feed(named: name) {
        throw KacheryError(
          .badRequest,
          "The feed \(FeedURI(feed: known)) already has the name '\(name)'; choose another name, or use that feed.")
      }
      let feed = try client.create(name: name)
      let uri = FeedURI(feed: feed).description
      var document: JSONObject = ["feedId": .string(feed.hex), "uri": .string(uri)]
      document["name"] = name.map { .string($0) }
      Console.result(arguments.has("--json") ? JSONValue.object(document).compact : uri)
      return .done
    })

  /// `kachery feed list`
  static let feedList = Command(
    name: "feed list", usage: "", summary: "Lists the feeds on this node: its own, and copies of others.",
    options: [json], examples: ["kachery feed list", "kachery feed list --json | jq -r '.names[]'"],
    run: { (arguments) throws(KacheryError) in
      let feeds = try FeedClient.require().feeds()
      for feed in feeds { Console.result(arguments.has("--json") ? feed.compact : line(feed)) }
      if feeds.isEmpty { Console.note("There are no feeds on this node; 'kachery feed create' creates one.") }
      return .done
    })

  private static func line(_ feed: JSONValue) -> String {
    func count(_ name: ByteString, _ thing: String) -> String {
      let number = feed[name]?.unsigned ?? 0
      return "\(number) \(thing)\(number == 1 ? "" : "s")"
    }
    let mark = feed["isWriteable"]?.bool == true ? "w" : "-"
    let name = names(of: feed).map { "  \($0.printable)" } ?? ""
    let sizes = "\(count("subfeeds", "subfeed")), \(count("messages", "message"))"
    return "feed://\(feed["feedId"]?.string ?? "")  \(mark)  \(sizes)\(name)"
  }

  /// This node's names for a feed; nil if it has none.
  fileprivate static func names(of feed: JSONValue) -> String? {
    let names = feed["names"]?.array?.compactMap(\.string) ?? []
    return names.isEmpty ? nil : names.joined(separator: ", ")
  }

  /// `kachery feed info`
  static let feedInfo = Command(
    name: "feed info", usage: "FEED[/SUBFEED]",
    summary: "Shows which node writes a feed, and how many messages of its subfeeds are here.",
    details: NamedFeed.explanation,
    options: NamedFeed.options + [
      Option("--timeout", "SECONDS", "search this long for the node that writes it (6)"), json,
    ],
    examples: ["kachery feed info lab-notes", "kachery feed info feed://…/main"],
    run: { (arguments) throws(KacheryError) in
      _ = try arguments.operand("feed")
      let client = try FeedClient.require()
      let feed = try NamedFeed(arguments, client)
      let report = try FeedReport(feed, client, timeout: try arguments.seconds("--timeout") ?? .seconds(6))
      if arguments.has("--json") {
        Console.result(report.json.compact)
      } else {
        for line in report.lines { Console.result(line.printable) }
      }
      return .done
    })

  /// `kachery feed delete`
  static let feedDelete = Command(
    name: "feed delete", usage: "FEED",
    summary: "Deletes a feed from this node: its messages, and the key that signs them.",
    details: """
      A feed whose key is gone cannot be continued. Nodes that have read it keep their copies. On a terminal it asks
      first.
      """,
    options: [Option("--yes", nil, "do not ask"), quiet], examples: ["kachery feed delete lab-notes"],
    run: { (arguments) throws(KacheryError) in
      _ = try arguments.operand("feed")
      let client = try FeedClient.require()
      let feed = try NamedFeed(arguments, client)
      guard feed.subfeeds.isEmpty else {
        throw KacheryError(.badRequest, "A subfeed cannot be deleted by itself, only a whole feed.")
      }
      let uri = FeedURI(feed: feed.id)
      guard arguments.has("--yes") || Console.confirms("Delete \(uri) with all its messages?") else {
        Console.note("Nothing was deleted.")
        return .failed
      }
      try client.delete(feed.id)
      if !arguments.has("--quiet") { Console.note("Deleted \(uri).") }
      return .done
    })
}

/// The output of `kachery feed info`.
private struct FeedReport {
  private(set) var lines: [String]
  private var document: JSONObject

  var json: JSONValue { .object(document) }

  init(_ feed: NamedFeed, _ client: FeedClient, timeout: Duration) throws(KacheryError) {
    var holdings = try client.holdings(of: feed.id)
    let location = try Self.location(of: feed.id, client, timeout, isHere: holdings != nil)
    let isWriteable = location?.isWriteable ?? false
    if !isWriteable {
      try client.fetchNames(of: feed.id, wait: min(timeout, .seconds(2)))
      holdings = try client.holdings(of: feed.id)
    }
    let writer = isWriteable ? "this node" : location?.node.map { "the node \($0)" } ?? "a node that is not online"
    let uri = FeedURI(feed: feed.id).description
    lines = ["Feed: \(uri)", "Written by: \(writer)"]
    document = [
      "feedId": .string(feed.id.hex), "uri": .string(uri), "names": holdings?["names"] ?? [],
      "isWriteable": .bool(isWriteable), "nodeId": location?.node.map { .string($0) } ?? .null,
    ]
    if let name = holdings.flatMap(Command.names) { lines.insert("Name: \(name)", at: 1) }
    var subfeeds = holdings?["subfeeds"]?.array ?? []
    if !feed.subfeeds.isEmpty {
      let hash = JSONValue.string(try feed.key().subfeed.hex)
      subfeeds = subfeeds.filter { $0["subfeedHash"] == hash }
      if subfeeds.isEmpty {
        try UnknownSubfeed.refuse(try feed.subfeed(), in: holdings)
        subfeeds = [["subfeedHash": hash, "messages": 0]]
      }
    }
    document["subfeeds"] = .array(subfeeds)
    for subfeed in subfeeds { describe(subfeed) }
  }

  private mutating func describe(_ subfeed: JSONValue) {
    let count = subfeed["messages"]?.unsigned ?? 0
    let hash = "~\(subfeed["subfeedHash"]?.string ?? "")"
    let name = subfeed["name"].flatMap { $0 == .null ? nil : SubfeedName(json: $0)?.shown }
    lines.append(
      "Subfeed \(name.map { "\($0) (\(hash))" } ?? hash): \(count) message\(count == 1 ? "" : "s") here")
    for rule in subfeed["accessRules"]?["rules"]?.array ?? [] where rule["write"]?.bool == true {
      lines.append("  may submit: \(rule["nodeId"]?.string ?? "")")
    }
    guard let forks = subfeed["forks"]?.unsigned, forks > 0 else { return }
    lines.append("  FORKED: \(forks) other message\(forks == 1 ? "" : "s") signed for the same place by the same key")
  }

  /// The feed's writer; nil if it is offline and this node has a copy.
  private static func location(
    of feed: FeedID, _ client: FeedClient, _ timeout: Duration, isHere: Bool
  ) throws(KacheryError) -> FeedClient.Location? {
    do throws(KacheryError) { return try client.location(of: feed, timeout: timeout) } catch
      where isHere && ExitCode(error) == .notFound
    { return nil }
  }
}
