import APIModel
import Crypto
import FeedStore
import Feeds
import NodeCore
import Primitives
import Wire

/// Feeds that other nodes write, for clients of this one.
extension Node {
  func feedInfo(_ feed: FeedID, timeout: Duration) async throws(KacheryError) -> FeedInfo {
    let (isWriteable, isKnown) = try await loop.onPool { [feeds] () throws(KacheryError) in
      (try feeds.isWriteable(feed), try feeds.isKnown(feed))
    }
    if isWriteable { return FeedInfo(isWriteable: true, node: id) }
    switch await whereabouts(of: feed, for: timeout) {
    case .writer(let node): return FeedInfo(isWriteable: false, node: node)
    case .copies: return FeedInfo(isWriteable: false, node: nil)
    // What is here can be read while its writer is away.
    case .nowhere where isKnown: return FeedInfo(isWriteable: false, node: nil)
    case .nowhere:
      throw KacheryError(
        core.hasChannels ? .notFound : .noChannel,
        core.hasChannels
          ? "The feed \(feed) was not found: no node that writes it or has messages of it is linked over a channel."
          : "The feed \(feed) is not on this node, and this node has joined no channel over which to look for it.")
    }
  }

  private func whereabouts(of feed: FeedID, for timeout: Duration) async -> FeedWhereabouts {
    guard core.hasChannels, !isStopping else { return .nowhere }
    let id = FeedSeekID(number: newClient())
    return await withCheckedContinuation { continuation in
      seekers[id] = continuation
      input { core, now in core.feeds(at: now) { $0.seek(id, feed, until: $1 + timeout, at: $1) } }
    }
  }

  func submit(_ request: SubmitRequest) async throws(KacheryError) {
    if try await loop.onPool({ [feeds] () throws(KacheryError) in try feeds.isWriteable(request.key.feed) }) {
      return try await append([request.message], to: request.key, metaData: nil)
    }
    guard core.hasChannels, !isStopping else {
      throw KacheryError(
        .noChannel, "The feed \(request.key.feed) is written by another node, and this one has joined no channel.")
    }
    let id = SubmitID(number: newClient())
    let message = JSONValue.object(request.message).compactBytes
    let error = await withCheckedContinuation { continuation in
      submitters[id] = continuation
      input { core, now in
        core.feeds(at: now) { $0.submit(id, message, to: request.key, until: $1 + request.timeout, at: $1) }
      }
    }
    if let error { throw error }
  }

  // MARK: Following

  /// Has other nodes asked for the messages of the watches that are not for this node alone. Gives back what to give to
  /// `unfollow`.
  func follow(_ request: WatchRequest, except writeable: Set<FeedID>) throws(KacheryError) -> [SubfeedKey] {
    guard core.hasChannels else { return [] }
    var followed: [(key: SubfeedKey, topic: Topic?)] = []
    for watch in request.watches where !watch.isLocal && !writeable.contains(watch.key.feed) {
      followed.append((watch.key, try watch.channel.map { name throws(KacheryError) in try topic(ofChannel: name) }))
    }
    guard !followed.isEmpty else { return [] }
    input { core, now in
      core.feeds(at: now) { engine, instant in
        for (key, topic) in followed { engine.follow(key, over: topic, at: instant) }
      }
    }
    return followed.map(\.key)
  }

  func unfollow(_ keys: [SubfeedKey]) {
    guard !keys.isEmpty else { return }
    input { core, now in
      core.feeds(at: now) { engine, instant in for key in keys { engine.unfollow(key, at: instant) } }
    }
  }

  /// Clients that wait for other nodes are let go.
  func endFeedSearches() {
    for seeker in seekers.values { seeker.resume(returning: .nowhere) }
    for submitter in submitters.values {
      submitter.resume(returning: KacheryError(.cancelled, "The node is stopping."))
    }
    (seekers, submitters) = ([:], [:])
  }
}
