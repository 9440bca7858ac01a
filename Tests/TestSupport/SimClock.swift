package import Primitives

/// A clock that stands still until the next thing is due, and then jumps to it: hours pass in a moment, and always in
/// the same order.
package final class SimClock {
  private struct Event {
    let at: Instant
    let number: UInt64
    let body: () -> Void

    func isBefore(_ other: Event) -> Bool { at == other.at ? number < other.number : at < other.at }
  }

  /// The time now. It begins at an hour, so that earlier times can be written.
  package private(set) var now = Instant(nanoseconds: 3_600_000_000_000)
  /// A heap: each event is due no later than the two below it.
  private var events: [Event] = []
  private var lastNumber: UInt64 = 0

  package init() {}

  /// Has `body` called after `delay`, behind whatever is already due then.
  package func after(_ delay: Duration, _ body: @escaping () -> Void) {
    lastNumber += 1
    events.append(Event(at: now + delay, number: lastNumber, body: body))
    var index = events.count - 1
    while index > 0, events[index].isBefore(events[(index - 1) / 2]) {
      events.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  /// Runs what is due until `duration` has passed, `isDone` says so, or nothing is left to happen. Says whether it was
  /// done.
  package func run(for duration: Duration, until isDone: () -> Bool = { false }) -> Bool {
    let end = now + duration
    while !isDone(), let next = events.first, next.at <= end {
      removeFirst()
      now = max(now, next.at)
      next.body()
    }
    if !isDone(), now < end { now = end }
    return isDone()
  }

  /// Forgets everything that was still to happen.
  package func clear() { events = [] }

  private func removeFirst() {
    events.swapAt(0, events.count - 1)
    events.removeLast()
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2] where child < events.count && events[child].isBefore(events[least]) {
        least = child
      }
      guard least != index else { return }
      events.swapAt(index, least)
      index = least
    }
  }
}
