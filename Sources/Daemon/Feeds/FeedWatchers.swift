import Primitives

/// Those who wait for messages of subfeeds. Bound to the loop.
struct FeedWatchers {
  private var watchers: [UInt64: FeedWatcher] = [:]
  private var byKey: [SubfeedKey: Set<UInt64>] = [:]
  private var last: UInt64 = 0

  var count: Int { watchers.count }

  /// Somebody waits for messages of these.
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

  /// Messages of the subfeed have come.
  func touch(_ key: SubfeedKey) {
    for number in byKey[key] ?? [] { watchers[number]?.touch() }
  }

  /// A client waits no more.
  func end(_ number: UInt64) { watchers[number]?.end() }

  /// Nobody waits any more.
  func endAll() {
    for watcher in watchers.values { watcher.end() }
  }
}

/// One client that waits for messages of some subfeeds. Bound to the loop.
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

  /// There may be something new.
  func touch() {
    isTouched = true
    wake()
  }

  /// The time is over, or the client has gone.
  func end() {
    hasEnded = true
    wake()
  }

  private func wake() {
    guard let then = waiting.take() else { return }
    isTouched = false
    then()
  }

  /// Calls `then` once, as soon as there may be something new since the last call, or at the end.
  func whenTouched(_ then: @escaping () -> Void) {
    waiting = then
    if isTouched || hasEnded { wake() }
  }
}
