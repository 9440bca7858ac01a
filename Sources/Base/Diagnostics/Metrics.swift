import Synchronization

/// The named counters and histograms of one node, each present from the start at zero, for `/metrics` and `/stats`.
package final class Metrics: Sendable {
  /// The type of a metric in the Prometheus text format.
  package enum Kind: String, Sendable { case counter, gauge }

  private enum Value {
    case counter(Counter, Kind)
    case histogram(Histogram)

    var type: String {
      switch self {
      case .counter(_, let kind): kind.rawValue
      case .histogram: "histogram"
      }
    }

    func samples(_ name: String) -> String {
      switch self {
      case .counter(let counter, _): Exposition.sample(name, counter.current)
      case .histogram(let histogram): histogram.samples(name)
      }
    }
  }

  private struct Entry {
    let name: String
    let meaning: String
    let value: Value
  }

  private let entries = Mutex<[Entry]>([])

  package init() {}

  /// Registers a counter, or returns the one that is registered by this name. `meaning` describes in one sentence what is
  /// counted, and what is not.
  package func register(_ name: String, _ kind: Kind = .counter, _ meaning: String) -> Counter {
    entries.withLock { entries in
      if case .counter(let counter, _)? = entries.first(where: { $0.name == name })?.value { return counter }
      let counter = Counter()
      entries.append(Entry(name: name, meaning: meaning, value: .counter(counter, kind)))
      return counter
    }
  }

  /// Registers a histogram of durations, or returns the one that is registered by this name.
  ///
  /// - Parameters:
  ///   - bounds: the lengths in seconds up to which is counted, in rising order.
  ///   - meaning: describes in one sentence what is measured, and what is not.
  package func register(_ name: String, upTo bounds: [Double], _ meaning: String) -> Histogram {
    entries.withLock { entries in
      if case .histogram(let histogram)? = entries.first(where: { $0.name == name })?.value { return histogram }
      let histogram = Histogram(upTo: bounds)
      entries.append(Entry(name: name, meaning: meaning, value: .histogram(histogram)))
      return histogram
    }
  }

  /// The names of the counters with their current values, in order of registration.
  package var values: [(name: String, value: Int)] {
    entries.withLock { entries in
      entries.compactMap { entry in
        guard case .counter(let counter, _) = entry.value else { return nil }
        return (entry.name, counter.current)
      }
    }
  }

  /// The Prometheus text exposition format, version 0.0.4.
  package var exposition: String {
    entries.withLock { entries in
      entries.map { Exposition.family($0.name, $0.value.type, $0.meaning, $0.value.samples($0.name)) }.joined()
    }
  }
}
