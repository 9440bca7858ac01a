import Primitives

/// Clients waiting for messages of subfeeds. Bound to the loop.
struct FeedWatchers {
  private var watchers: [UInt64: FeedWatcher] = [:]
  private var byKey: [SubfeedKey: Set<UInt64>] = [:]
  private var last: UInt64 = 0

  var count: Int { watchers.count }

  /// Adds a client waiting for messages of these subfeeds.
  mutating func add(_ keys: Set<SubfeedKey>) -> FeedWatcher {
    last += 1
    for key in keys { byKey[key, default: []].insert(last) }
    let watcher = FeedWatcher(last, keys)
    watchers[last] = watcher
    return watcher
  }

  mutating func remove(_ watcher: FeedWatcher) {
    watchers[watcher.number] = nil
    for key in watcher.keys {
      byKey[key]?.remove(watcher.number)
      if byKey[key]?.isEmpty == true { byKey[key] = nil }
    }
  }

  /// Notifies the subfeed's watchers of new messages.
  func touch(_ key: SubfeedKey) {
    for number in byKey[key] ?? [] { watchers[number]?.touch() }
  }

  /// Removes a client.
  func end(_ number: UInt64) { watchers[number]?.end() }

  /// Ends every wait.
  func endAll() {
    for watcher in watchers.values { watcher.end() }
  }
}

/// One client waiting for messages of some subfeeds. Bound to the loop.
final class FeedWatcher {
  let number: UInt64
  let keys: Set<SubfeedKey>
  private var isTouched = false
  private(set) var hasEnded = false
  private var waiting: (() -> Void)?

  init(_ number: UInt64, _ keys: Set<SubfeedKey>) {
    self.number = number
    self.keys = keys
  }

  /// Signals that there may be new messages.
  func touch() {
    isTouched = true
    wake()
  }

  /// Ends the wait: it timed out, or the client has gone.
  func end() {
    hasEnded = true
    wake()
  }

  private func wake() {
    guard let then = waiting.take() else { return }
    isTouched = false
    then()
  }

  /// Calls `then` once: when there may be new messages since the last call, or when the wait ends.
  func whenTouched(_ then: @escaping () -> Void) {
    waiting = then
    if isTouched || hasEnded { wake() }
  }
}
