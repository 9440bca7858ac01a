import Synchronization

/// The named counters of one node, each present from the start at zero, for `/metrics` and `/stats`.
package final class Metrics: Sendable {
  /// The type of a metric in the Prometheus text format.
  package enum Kind: String, Sendable { case counter, gauge }

  private struct Entry {
    let name: String
    let meaning: String
    let kind: Kind
    let counter: Counter
  }

  private let entries = Mutex<[Entry]>([])

  package init() {}

  /// Registers a counter, or returns the one that is registered by this name. `meaning` describes in one sentence what is
  /// counted, and what is not.
  package func register(_ name: String, _ kind: Kind = .counter, _ meaning: String) -> Counter {
    entries.withLock { entries in
      if let entry = entries.first(where: { $0.name == name }) { return entry.counter }
      let counter = Counter()
      entries.append(Entry(name: name, meaning: meaning, kind: kind, counter: counter))
      return counter
    }
  }

  /// All names with their current values, in order of registration.
  package var values: [(name: String, value: Int)] {
    entries.withLock { entries in entries.map { ($0.name, $0.counter.current) } }
  }

  /// The Prometheus text exposition format, version 0.0.4.
  package var exposition: String {
    entries.withLock { entries in
      entries.map { entry in
        """
        # HELP \(entry.name) \(entry.meaning)
        # TYPE \(entry.name) \(entry.kind.rawValue)
        \(entry.name) \(entry.counter.current)

        """
      }.joined()
    }
  }
}
