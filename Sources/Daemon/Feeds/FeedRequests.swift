import EventLoop
import Feeds
import NodeCore
import Primitives
import Wire

/// Clients that wait for feeds: for new messages, for the nodes that know a feed, for a submission. Bound to the loop.
final class FeedRequests {
  private let driver: CoreDriver
  private let metrics: NodeMetrics
  private var watchers = FeedWatchers()
  private var seekers: [FeedSeekID: (FeedWhereabouts) -> Void] = [:]
  private var submitters: [SubmitID: (KacheryError?) -> Void] = [:]
  private var lastNumber: UInt64 = 0
  private(set) var isStopped = false

  init(driver: CoreDriver, metrics: NodeMetrics) {
    self.driver = driver
    self.metrics = metrics
  }

  func perform(_ effect: FeedClientEffect) {
    switch effect {
    case .sought(let id, let whereabouts): seekers.removeValue(forKey: id)?(whereabouts)
    case .submitted(let id, let error): submitters.removeValue(forKey: id)?(error)
    }
  }

  /// Every client learns that the node stops.
  func stop() {
    isStopped = true
    watchers.endAll()
    for seeker in seekers.values { seeker(.nowhere) }
    for submitter in submitters.values { submitter(KacheryError(.cancelled, "The node is stopping.")) }
    (seekers, submitters) = ([:], [:])
  }

  // MARK: Watching

  /// A client waits for messages of these subfeeds, until `endWatch`.
  func watch(_ keys: Set<SubfeedKey>) -> FeedWatcher {
    defer { countWatchers() }
    return watchers.add(keys)
  }

  func endWatch(_ watcher: FeedWatcher) {
    watchers.remove(watcher)
    countWatchers()
  }

  private func countWatchers() { metrics.feedWatchers.add(watchers.count - metrics.feedWatchers.current) }

  /// The client with this watcher has gone.
  func cancelWatch(_ number: UInt64) { watchers.end(number) }

  /// A subfeed has new messages.
  func touch(_ key: SubfeedKey) { watchers.touch(key) }

  // MARK: Other nodes

  /// Has other nodes asked for the messages of these subfeeds, over a channel or any, until `unfollow`.
  func follow(_ subfeeds: [(key: SubfeedKey, topic: Topic?)]) {
    guard !subfeeds.isEmpty else { return }
    driver.feeds { engine, now in for (key, topic) in subfeeds { engine.follow(key, over: topic, at: now) } }
  }

  func unfollow(_ keys: [SubfeedKey]) {
    guard !keys.isEmpty else { return }
    driver.feeds { engine, now in for key in keys { engine.unfollow(key, at: now) } }
  }

  /// Searches for nodes that know a feed, for this long at most.
  func seek(_ feed: FeedID, for time: Duration, then: @escaping (FeedWhereabouts) -> Void) {
    guard !isStopped else { return then(.nowhere) }
    lastNumber += 1
    let id = FeedSeekID(number: lastNumber)
    seekers[id] = then
    driver.feeds { $0.seek(id, feed, until: $1 + time, at: $1) }
  }

  /// Submits a message to the node that writes the feed, which has this long to append it.
  func submit(
    _ message: [UInt8], to key: SubfeedKey, for time: Duration, then: @escaping (KacheryError?) -> Void
  ) {
    guard !isStopped else { return then(KacheryError(.cancelled, "The node is stopping.")) }
    lastNumber += 1
    let id = SubmitID(number: lastNumber)
    submitters[id] = then
    driver.feeds { $0.submit(id, message, to: key, until: $1 + time, at: $1) }
  }
}
