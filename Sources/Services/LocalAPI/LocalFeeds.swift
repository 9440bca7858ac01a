package import APIModel
package import Primitives

/// What the local API needs to serve feeds.
package protocol LocalFeeds: Actor {
  /// Creates a feed that this node writes. If another feed has the name, the name moves to the new feed.
  func createFeed(named name: String?) async throws(KacheryError) -> FeedID
  /// Deletes a feed with its messages and its key. Returns whether the feed existed.
  func deleteFeed(_ feed: FeedID) async throws(KacheryError) -> Bool
  /// The feed with this name; nil if none has it.
  func feed(named name: String) async throws(KacheryError) -> FeedID?
  /// Finds the feed on this node or on nodes of its channels, within `timeout`.
  func feedInfo(_ feed: FeedID, timeout: Duration) async throws(KacheryError) -> FeedInfo
  /// Appends messages to a subfeed that this node writes; they are on the disk when it returns.
  func append(_ request: AppendRequest) async throws(KacheryError)
  /// Asks the node that writes the feed to append a message.
  func submit(_ request: SubmitRequest) async throws(KacheryError)
  /// How many messages of the subfeed are stored here.
  func messageCount(of key: SubfeedKey) async throws(KacheryError) -> UInt64
  /// Who may submit messages to a subfeed that this node writes.
  func accessRules(of key: SubfeedKey) async throws(KacheryError) -> AccessRules
  /// Sets who may submit messages to a subfeed that this node writes.
  func setAccessRules(_ rules: AccessRules, of key: SubfeedKey) async throws(KacheryError)
  /// The requested messages; waits for the first if there are none yet.
  func watch(_ request: WatchRequest) async throws(KacheryError) -> [WatchedMessages]
  /// The feeds stored here, as `docs/local-api.md` describes.
  func listFeeds() async throws(KacheryError) -> JSONValue
  /// The stored subfeeds of a feed, as `docs/local-api.md` describes.
  func describeFeed(_ feed: FeedID) async throws(KacheryError) -> JSONValue
}
