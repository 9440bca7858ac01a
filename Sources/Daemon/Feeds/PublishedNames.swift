import Crypto
import Primitives

/// Which subfeeds of this node's feeds have published names. Bound to the loop.
final class PublishedNames {
  /// Most feeds whose names are kept in memory.
  private static let maximumFeeds = 256

  private var subfeeds: [FeedID: Set<SubfeedHash>] = [:]

  /// Whether the names of the feed are known.
  func knows(_ feed: FeedID) -> Bool { subfeeds[feed] != nil }

  /// Records the stored names of a feed, unless they are known already.
  func record(_ names: [SubfeedName], of feed: FeedID) {
    guard subfeeds[feed] == nil else { return }
    if subfeeds.count >= Self.maximumFeeds { subfeeds = [:] }
    subfeeds[feed] = Set(names.compactMap { try? $0.hash() })
  }

  /// Whether the subfeed's name is to be published now.
  func begin(_ key: SubfeedKey) -> Bool {
    guard let known = subfeeds[key.feed], known.count < SubfeedName.maximumPublished else { return false }
    return subfeeds[key.feed]?.insert(key.subfeed).inserted ?? false
  }

  /// Forgets what is known of a feed: it is gone, or a name could not be published.
  func forget(_ feed: FeedID) { subfeeds[feed] = nil }
}
