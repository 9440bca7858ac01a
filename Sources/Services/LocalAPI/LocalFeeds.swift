package import APIModel
package import Primitives

/// What the local API needs to serve feeds.
package protocol LocalFeeds: Actor {
  /// Makes a feed that this node writes. A name that another feed has names this one from now on.
  func createFeed(named name: String?) async throws(KacheryError) -> FeedID
  /// Deletes a feed with its messages and its key. Says whether there was one.
  func deleteFeed(_ feed: FeedID) async throws(KacheryError) -> Bool
  /// The feed with this name; nil if none has it.
  func feed(named name: String) async throws(KacheryError) -> FeedID?
  /// Finds the feed here or on nodes of the channels, for as long as `timeout`.
  func feedInfo(_ feed: FeedID, timeout: Duration) async throws(KacheryError) -> FeedInfo
  /// Appends messages to a subfeed of this node's; they are on the disk when it returns.
  func append(_ request: AppendRequest) async throws(KacheryError)
  /// Has the node that writes the feed append a message.
  func submit(_ request: SubmitRequest) async throws(KacheryError)
  /// How many messages of the subfeed are here.
  func messageCount(of key: SubfeedKey) async throws(KacheryError) -> UInt64
  /// Who may submit messages to a subfeed of this node's.
  func accessRules(of key: SubfeedKey) async throws(KacheryError) -> AccessRules
  /// Sets who may submit messages to a subfeed of this node's.
  func setAccessRules(_ rules: AccessRules, of key: SubfeedKey) async throws(KacheryError)
  /// The messages that are wanted; waits for the first where there are none yet.
  func watch(_ request: WatchRequest) async throws(KacheryError) -> [WatchedMessages]
  /// The feeds that are here, as `docs/local-api.md` has it.
  func listFeeds() async throws(KacheryError) -> JSONValue
  /// The subfeeds of a feed that are here, as `docs/local-api.md` has it.
  func describeFeed(_ feed: FeedID) async throws(KacheryError) -> JSONValue
}
