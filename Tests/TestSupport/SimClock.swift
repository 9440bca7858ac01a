package import Primitives

/// A virtual clock that jumps from event to event: hours pass in a moment, and always in the same order.
package final class SimClock {
  private struct Event {
    let at: Instant
    let number: UInt64
    let body: () -> Void

    func isBefore(_ other: Event) -> Bool { at == other.at ? number < other.number : at < other.at }
  }

  /// The current time. It starts at one hour, so that earlier times can be expressed.
  package private(set) var now = Instant(nanoseconds: 3_600_000_000_000)
  /// A heap: each event is due no later than its two children.
  private var events: [Event] = []
  private var lastNumber: UInt64 = 0

  package init() {}

  /// Schedules `body` after `delay`, behind everything else due at the same time.
  package func after(_ delay: Duration, _ body: @escaping () -> Void) {
    lastNumber += 1
    events.append(Event(at: now + delay, number: lastNumber, body: body))
    var index = events.count - 1
    while index > 0, events[index].isBefore(events[(index - 1) / 2]) {
      events.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  /// Runs events until `duration` has passed, `isDone` returns true, or no events are left. Returns whether it is done.
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

  /// Removes all scheduled events.
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
