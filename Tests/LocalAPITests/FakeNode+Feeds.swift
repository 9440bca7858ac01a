import APIModel
import LocalAPI
import Primitives

/// One feed, which the node writes: its messages can be watched, and other nodes may not submit.
extension FakeNode {
  static var feed: FeedID {
    guard let feed = FeedID(bytes: [UInt8](repeating: 0xfe, count: FeedID.byteCount)) else {
      preconditionFailure("these are as many bytes as a feed's ID has")
    }
    return feed
  }

  func createFeed(named name: String?) async throws(KacheryError) -> FeedID { Self.feed }

  func deleteFeed(_ feed: FeedID) async throws(KacheryError) -> Bool { feed == Self.feed }

  func feed(named name: String) async throws(KacheryError) -> FeedID? { name == "lab" ? Self.feed : nil }

  func feedInfo(_ feed: FeedID, timeout: Duration) async throws(KacheryError) -> FeedInfo {
    guard feed == Self.feed else { throw KacheryError(.notFound, "No node has the feed.") }
    return FeedInfo(isWriteable: true, node: id)
  }

  func append(_ request: AppendRequest) async throws(KacheryError) { appended += request.messages }

  func submit(_ request: SubmitRequest) async throws(KacheryError) {
    throw KacheryError(.refusedByPeer, "This node may not write there.")
  }

  func messageCount(of key: SubfeedKey) async throws(KacheryError) -> UInt64 { UInt64(appended.count) }

  func accessRules(of key: SubfeedKey) async throws(KacheryError) -> AccessRules { rules }

  func setAccessRules(_ rules: AccessRules, of key: SubfeedKey) async throws(KacheryError) { self.rules = rules }

  /// Waits only for the timeout.
  func watch(_ request: WatchRequest) async throws(KacheryError) -> [WatchedMessages] {
    let found = request.watches.compactMap { watch -> WatchedMessages? in
      let messages = appended.dropFirst(Int(watch.position)).prefix(request.count ?? .max)
      guard !messages.isEmpty else { return nil }
      return WatchedMessages(name: watch.name, messages: messages.map { JSONValue.object($0).compactBytes })
    }
    if found.isEmpty { try? await Task.sleep(for: min(request.wait, .milliseconds(50))) }
    return found
  }

  func listFeeds() async throws(KacheryError) -> JSONValue { [["feedId": .string(Self.feed.hex)]] }

  func describeFeed(_ feed: FeedID) async throws(KacheryError) -> JSONValue {
    guard feed == Self.feed else { throw KacheryError(.notFound, "There is no such feed.") }
    return ["success": true, "feedId": .string(feed.hex)]
  }
}
