import APIModel
import Crypto
import EventLoop
import FeedStore
import Primitives

/// Feeds, for clients on this machine.
extension Node {
  /// Message bytes per answer; for more, the client asks again from the position it has reached.
  private static let largestAnswer = 256 << 20

  /// Runs work on the writer's thread, and waits until it is on disk.
  func written<Outcome: Sendable>(
    _ begin: (@escaping @Sendable (Result<Outcome, KacheryError>) -> Void) -> Void
  ) async throws(KacheryError) -> Outcome {
    let result = await withCheckedContinuation { continuation in begin { continuation.resume(returning: $0) } }
    return try result.get()
  }

  func createFeed(named name: String?) async throws(KacheryError) -> FeedID {
    let feed = try await written { feeds.create(named: name, then: $0) }
    log.info("Created the feed \(feed.short)\(name.map { " named '\($0)'" } ?? "").")
    return feed
  }

  func deleteFeed(_ feed: FeedID) async throws(KacheryError) -> Bool {
    let wasThere = try await written { feeds.delete(feed, then: $0) }
    driver.feeds { $0.forget(feed, at: $1) }
    publishedNames.forget(feed)
    return wasThere
  }

  func feed(named name: String) async throws(KacheryError) -> FeedID? {
    try await loop.onPool { [feeds] () throws(KacheryError) in try feeds.feed(named: name) }
  }

  func append(_ request: AppendRequest) async throws(KacheryError) {
    if let name = request.subfeedName, !request.messages.isEmpty { try await publish(name, of: request.key) }
    try await append(request.messages, to: request.key, metaData: request.metaData)
  }

  func append(_ messages: [JSONObject], to key: SubfeedKey, metaData: JSONObject?) async throws(KacheryError) {
    guard !messages.isEmpty else { return }
    let time = driver.now.wall
    let signed = try await written { feeds.append(messages, to: key, metaData: metaData, at: time, then: $0) }
    noteAppended(signed, to: key)
  }

  /// Publishes the name of a subfeed in the feed's list of names, unless it is there.
  ///
  /// - Throws: `badRequest` if it is the name of another subfeed.
  private func publish(_ json: JSONValue, of key: SubfeedKey) async throws(KacheryError) {
    guard let name = SubfeedName(json: json), name.isPublished else { return }
    guard try name.hash() == key.subfeed else {
      throw KacheryError(.badRequest, "'\(json.compact)' is not the name of the subfeed ~\(key.subfeed).")
    }
    if !publishedNames.knows(key.feed) {
      let names = try await loop.onPool { [feeds] () throws(KacheryError) in try feeds.publishedNames(of: key.feed) }
      publishedNames.record(names, of: key.feed)
    }
    guard publishedNames.begin(key) else { return }
    do throws(KacheryError) {
      try await append([name.message], to: SubfeedKey(key.feed, try SubfeedName.listing.hash()), metaData: nil)
    } catch {
      publishedNames.forget(key.feed)
      throw error
    }
  }

  /// Handles new messages of a subfeed that are on disk.
  func noteAppended(_ messages: [SignedMessage], to key: SubfeedKey) {
    guard let first = messages.first else { return }
    counters.messagesKept.add(messages.count)
    feedRequests.touch(key)
    driver.feeds { engine, _ in engine.appended(messages.map(\.text), to: key, position: first.number) }
  }

  func messageCount(of key: SubfeedKey) async throws(KacheryError) -> UInt64 {
    try await loop.onPool { [feeds] () throws(KacheryError) in try feeds.count(key) }
  }

  func accessRules(of key: SubfeedKey) async throws(KacheryError) -> AccessRules {
    try await loop.onPool { [feeds] () throws(KacheryError) in
      guard try feeds.isWriteable(key.feed) else {
        throw KacheryError(
          .forbidden, "The feed \(key.feed) is written by another node; only that one knows its access rules.")
      }
      return try feeds.rules(of: key)
    }
  }

  func setAccessRules(_ rules: AccessRules, of key: SubfeedKey) async throws(KacheryError) {
    try await written { feeds.setRules(rules, of: key, then: $0) }
  }

  // MARK: Reading

  func watch(_ request: WatchRequest) async throws(KacheryError) -> [WatchedMessages] {
    // Before the first look, so that no message is missed between looking and waiting.
    let watcher = feedRequests.watch(Set(request.watches.map(\.key)))
    defer { feedRequests.endWatch(watcher) }
    let timer = loop.after(request.wait) { watcher.end() }
    defer { timer.cancel() }
    let feeds = Set(request.watches.lazy.filter { !$0.isLocal }.map(\.key.feed))
    let followed = try follow(request, except: try await writeable(among: feeds))
    defer { feedRequests.unfollow(followed) }
    let number = watcher.number
    return try await withTaskCancellationHandler {
      await follow(request, watcher)
    } onCancel: {
      Task { await self.endWatch(number) }
    }.get()
  }

  private func writeable(among feeds: Set<FeedID>) async throws(KacheryError) -> Set<FeedID> {
    guard !feeds.isEmpty, driver.read(\.hasChannels) else { return [] }
    return try await loop.onPool { [store = self.feeds] () throws(KacheryError) in
      var writeable: Set<FeedID> = []
      for feed in feeds where try store.isWriteable(feed) { writeable.insert(feed) }
      return writeable
    }
  }

  private func endWatch(_ number: UInt64) { feedRequests.cancelWatch(number) }

  private func follow(_ request: WatchRequest, _ watcher: FeedWatcher) async -> Result<[WatchedMessages], KacheryError>
  {
    while true {
      do throws(KacheryError) {
        let found = try await loop.onPool { [feeds] () throws(KacheryError) in try Self.read(request, from: feeds) }
        if !found.isEmpty || watcher.hasEnded || feedRequests.isStopped { return .success(found) }
      } catch {
        return .failure(error)
      }
      await withCheckedContinuation { continuation in watcher.whenTouched { continuation.resume() } }
    }
  }

  private static nonisolated func read(
    _ request: WatchRequest, from feeds: FeedStore
  ) throws(KacheryError) -> [WatchedMessages] {
    var found: [WatchedMessages] = []
    var room = largestAnswer
    for watch in request.watches where room > 0 {
      let texts = try feeds.messages(
        of: watch.key, from: watch.position, count: request.count ?? .max, bytes: room)
      guard !texts.isEmpty else { continue }
      room -= texts.reduce(0) { $0 + $1.count }
      found.append(
        WatchedMessages(name: watch.name, messages: request.isSigned ? texts : texts.map(SignedMessage.plain)))
    }
    return found
  }

  func listFeeds() async throws(KacheryError) -> JSONValue {
    let summaries = try await loop.onPool { [feeds] () throws(KacheryError) in try feeds.summaries() }
    return .array(
      summaries.map { summary in
        [
          "feedId": .string(summary.feed.hex), "names": .array(summary.names.map { .string($0) }),
          "isWriteable": .bool(summary.isWriteable), "subfeeds": .integer(Int64(summary.subfeeds)),
          "messages": .integer(Int64(summary.messages)),
        ]
      })
  }

  func describeFeed(_ feed: FeedID) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [feeds] () throws(KacheryError) in
      guard let summary = try feeds.summaries().first(where: { $0.feed == feed }) else {
        throw KacheryError(.notFound, "There is no feed \(feed) on this node.")
      }
      var subfeeds: [JSONValue] = []
      var names: [SubfeedHash: SubfeedName] = [:]
      for name in try feeds.publishedNames(of: feed) { names[try name.hash()] = name }
      let listing = try SubfeedName.listing.hash()
      for (subfeed, count) in try feeds.subfeeds(of: feed) where subfeed != listing {
        let key = SubfeedKey(feed, subfeed)
        subfeeds.append(
          [
            "subfeedHash": .string(subfeed.hex), "name": names.removeValue(forKey: subfeed)?.json ?? .null,
            "messages": .integer(Int64(clamping: count)), "accessRules": try feeds.rules(of: key).json,
            "forks": .integer(Int64(try feeds.forks(of: key).count)),
          ])
      }
      // The writer has them, and no message of theirs has come here yet.
      for (subfeed, name) in names.sorted(by: { $0.key < $1.key }) {
        subfeeds.append(["subfeedHash": .string(subfeed.hex), "name": name.json, "messages": 0, "forks": 0])
      }
      return [
        "success": true, "feedId": .string(feed.hex), "names": .array(summary.names.map { .string($0) }),
        "isWriteable": .bool(summary.isWriteable), "subfeeds": .array(subfeeds),
      ]
    }
  }
}
