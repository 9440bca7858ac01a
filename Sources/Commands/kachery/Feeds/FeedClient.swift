import APIModel
import Crypto
import Primitives

/// What the daemon is asked about feeds.
struct FeedClient {
  let daemon: DaemonClient

  /// - Throws: `noDaemon` if no daemon answers.
  static func require() throws(KacheryError) -> FeedClient {
    FeedClient(daemon: try DaemonClient.require(for: "A feed"))
  }

  /// Where a feed is written.
  struct Location {
    let isWriteable: Bool
    let node: String?
  }

  /// Makes a feed.
  func create(name: String?) throws(KacheryError) -> FeedID {
    try call("createFeed", name.map { ["feedName": .string($0)] } ?? [:]).fixed("feedId")
  }

  /// Deletes a feed with all its messages.
  func delete(_ feed: FeedID) throws(KacheryError) { _ = try call("deleteFeed", ["feedId": .string(feed.hex)]) }

  /// The feed that has this name on this node; nil if none has.
  func feed(named name: String) throws(KacheryError) -> FeedID? {
    let answer = try daemon.post("/feed/getFeedId", ["feedName": .string(name)])
    if answer["success"]?.bool == true, let feed = answer["feedId"]?.string.flatMap({ FeedID(hex: $0) }) { return feed }
    // The published kachery-client keeps the names that it gives there.
    let key: JSONValue = ["type": "feed_id_for_name", "feed_name": .string(name)]
    return try daemon.post("/mutable/get", ["key": key])["value"]?.string.flatMap { FeedID(hex: $0) }
  }

  /// The feeds that are here, each `{"feedId", "names", "isWriteable", "subfeeds", "messages"}`.
  func feeds() throws(KacheryError) -> [JSONValue] { try daemon.get("/v1/feeds")["feeds"]?.array ?? [] }

  /// This node's data of a feed: `{"names", "subfeeds": [{"subfeedHash", "messages", "accessRules", "forks"}], …}`;
  /// nil if there is none.
  func holdings(of feed: FeedID) throws(KacheryError) -> JSONValue? {
    do throws(KacheryError) { return try daemon.get("/v1/feeds/\(feed)") } catch  where error.code == .notFound {
      return nil
    }
  }

  /// Finds a feed, here or on another node.
  ///
  /// - Throws: `notFound` if no reachable node has it.
  func location(of feed: FeedID, timeout: Duration) throws(KacheryError) -> Location {
    let answer = try call(
      "getFeedInfo", ["feedId": .string(feed.hex), "timeoutMsec": .integer(Int64(timeout.wholeMilliseconds))],
      otherwise: .notFound)
    return Location(
      isWriteable: try answer.optionalBool("isWriteable") ?? false, node: try answer.optionalString("nodeId"))
  }

  /// Appends messages, all or none; they are on the disk afterwards.
  ///
  /// - Parameter name: the subfeed's, which the daemon publishes; nil to keep it private.
  func append(
    _ messages: [JSONValue], to subfeed: SubfeedKey, named name: SubfeedName? = nil
  ) throws(KacheryError) {
    var request: JSONObject = ["messages": .array(messages)]
    if let name, name.isPublished { request["subfeedName"] = name.json }
    _ = try call("appendMessages", subfeed.fields(request))
  }

  /// Has the node fetch the names of subfeeds that the feed's writer has published, as far as they come within `wait`.
  /// `holdings` tells them afterwards.
  func fetchNames(of feed: FeedID, wait: Duration) throws(KacheryError) {
    let listing = SubfeedKey(feed, try SubfeedName.listing.hash())
    var reader = SubfeedReader(self, listing, from: 0, isSigned: false, isLocal: false)
    var wait = wait
    while reader.position < 2 * SubfeedName.maximumPublished, try !reader.next(wait: wait).isEmpty {
      wait = min(wait, .milliseconds(300))
    }
  }

  /// Asks the node that writes the feed to append a message.
  func submit(_ message: JSONValue, to subfeed: SubfeedKey, timeout: Duration) throws(KacheryError) {
    let time = JSONValue.integer(Int64(timeout.wholeMilliseconds))
    _ = try call("submitMessage", subfeed.fields(["message": message, "timeoutMsec": time]))
  }

  /// How many messages are on this node.
  func count(_ subfeed: SubfeedKey) throws(KacheryError) -> UInt64 {
    try call("getNumLocalMessages", subfeed.fields()).unsigned("numMessages")
  }

  /// Who may submit messages.
  func rules(of subfeed: SubfeedKey) throws(KacheryError) -> AccessRules {
    try AccessRules(json: try call("getAccessRules", subfeed.fields()).anyValue("accessRules"))
  }

  /// Says who may submit messages.
  func setRules(_ rules: AccessRules, of subfeed: SubfeedKey) throws(KacheryError) {
    _ = try call("setAccessRules", subfeed.fields(["accessRules": rules.json]))
  }

  /// Up to `most` messages, starting at `position`; if there are none, waits for the first.
  func messages(
    of subfeed: SubfeedKey, from position: UInt64, most: UInt64, wait: Duration, isSigned: Bool, isLocal: Bool
  ) throws(KacheryError) -> [JSONValue] {
    var watch = subfeed.fields(["position": .integer(Int64(clamping: position))])
    if isLocal { watch["channelName"] = "*local*" }
    let answer = try call(
      "watchForNewMessages",
      [
        "subfeedWatches": ["messages": .object(watch)], "waitMsec": .integer(Int64(wait.wholeMilliseconds)),
        "maxNumMessages": .integer(Int64(clamping: most)), "signed": .bool(isSigned),
      ])
    return answer.value("messages")?["messages"]?.array ?? []
  }

  /// Sends a request. A refusal becomes the error that it contains, or one with this code if it contains none.
  private func call(
    _ verb: String, _ request: JSONObject, otherwise code: KacheryError.Code = .internalError
  ) throws(KacheryError) -> JSONFields {
    let fields = try JSONFields(try daemon.post("/feed/\(verb)", .object(request)), named: "the answer to \(verb)")
    guard try fields.optionalBool("success") == true else {
      let told = try fields.optionalString("code").map { KacheryError.Code(rawValue: $0) }
      throw KacheryError(told ?? code, try fields.optionalString("error") ?? "The daemon refused \(verb).")
    }
    return fields
  }
}

extension SubfeedKey {
  /// The fields that name a subfeed in a request, and more.
  fileprivate func fields(_ more: JSONObject = [:]) -> JSONObject {
    var fields: JSONObject = ["feedId": .string(feed.hex), "subfeedHash": .string(subfeed.hex)]
    for member in more.members { fields[member.name] = member.value }
    return fields
  }
}
