import Synchronization

/// A thread-safe count of durations by their length, which says how many took at most so long.
package final class Histogram: Sendable {
  private struct State {
    var counts: [Int]
    var seconds = 0.0
  }

  /// The lengths in seconds up to which is counted, in rising order.
  package let bounds: [Double]
  private let state: Mutex<State>

  /// - Parameter bounds: in seconds, in rising order.
  package init(upTo bounds: [Double]) {
    self.bounds = bounds
    // The last one counts all that took longer.
    state = Mutex(State(counts: [Int](repeating: 0, count: bounds.count + 1)))
  }

  /// Counts a duration.
  package func add(_ duration: Duration) {
    let seconds = duration / .seconds(1)
    let place = bounds.firstIndex { seconds <= $0 } ?? bounds.count
    state.withLock { state in
      state.counts[place] += 1
      state.seconds += seconds
    }
  }

  /// Its values in the Prometheus text exposition format.
  func samples(_ name: String) -> String {
    let (counts, seconds) = state.withLock { ($0.counts, $0.seconds) }
    var total = 0
    var lines = ""
    for (bound, count) in zip(bounds.map { "\($0)" } + ["+Inf"], counts) {
      total += count
      lines += Exposition.sample("\(name)_bucket", total, labels: [("le", bound)])
    }
    return lines + Exposition.sample("\(name)_sum", seconds) + Exposition.sample("\(name)_count", total)
  }
}
