import APIModel
import Crypto
import FeedStore
import Feeds
import Primitives
import Wire

/// Other nodes' feeds, for clients of this node.
extension Node {
  func feedInfo(_ feed: FeedID, timeout: Duration) async throws(KacheryError) -> FeedInfo {
    let (isWriteable, isKnown) = try await loop.onPool { [feeds] () throws(KacheryError) in
      (try feeds.isWriteable(feed), try feeds.isKnown(feed))
    }
    if isWriteable { return FeedInfo(isWriteable: true, node: id) }
    switch await whereabouts(of: feed, for: timeout) {
    case .writer(let node): return FeedInfo(isWriteable: false, node: node)
    case .copies: return FeedInfo(isWriteable: false, node: nil)
    // Local messages can be read while the writer is offline.
    case .nowhere where isKnown: return FeedInfo(isWriteable: false, node: nil)
    case .nowhere:
      throw KacheryError(
        hasChannels ? .notFound : .noChannel,
        hasChannels
          ? "The feed \(feed) was not found: no node that writes it or has messages of it is linked over a channel."
          : "The feed \(feed) is not on this node, and this node has joined no channel to search.")
    }
  }

  private func whereabouts(of feed: FeedID, for timeout: Duration) async -> FeedWhereabouts {
    guard hasChannels else { return .nowhere }
    return await withCheckedContinuation { continuation in
      feedRequests.seek(feed, for: timeout) { continuation.resume(returning: $0) }
    }
  }

  private var hasChannels: Bool { driver.read(\.hasChannels) }

  func submit(_ request: SubmitRequest) async throws(KacheryError) {
    if try await loop.onPool({ [feeds] () throws(KacheryError) in try feeds.isWriteable(request.key.feed) }) {
      return try await append([request.message], to: request.key, metaData: nil)
    }
    guard hasChannels else {
      throw KacheryError(
        .noChannel, "The feed \(request.key.feed) is written by another node, and this one has joined no channel.")
    }
    let message = JSONValue.object(request.message).compactBytes
    let error = await withCheckedContinuation { continuation in
      feedRequests.submit(message, to: request.key, for: request.timeout) { continuation.resume(returning: $0) }
    }
    if let error { throw error }
  }

  // MARK: Following

  /// Requests messages from other nodes for the watches that are not local.
  ///
  /// - Returns: the argument for `unfollow`.
  func follow(_ request: WatchRequest, except writeable: Set<FeedID>) throws(KacheryError) -> [SubfeedKey] {
    guard hasChannels else { return [] }
    var followed: [(key: SubfeedKey, topic: Topic?)] = []
    for watch in request.watches where !watch.isLocal && !writeable.contains(watch.key.feed) {
      let topic = try watch.channel.map { name throws(KacheryError) in try channels.topic(named: name) }
      followed.append((watch.key, topic))
    }
    feedRequests.follow(followed)
    return followed.map(\.key)
  }
}
