/// When each of several things is due: one deadline for each key, of which the next is known without a search.
///
/// Keys that are due at the same instant are in the order of the keys, so the order is the same in every run.
package struct Deadlines<Key: Hashable & Comparable & Sendable>: Sendable {
  private struct Entry {
    let instant: Instant
    let key: Key

    func isBefore(_ other: Entry) -> Bool { (instant, key) < (other.instant, other.key) }
  }

  private var instants: [Key: Instant] = [:]
  /// A binary heap, the next entry first. Entries that were set again or cleared stay until they are first.
  private var heap: [Entry] = []

  package init() {}

  /// Whether nothing is due, now or later.
  package var isEmpty: Bool { instants.isEmpty }

  /// The earliest deadline; nil if there is none.
  package var next: Instant? { heap.first?.instant }

  /// The deadline of a key; nil if it has none.
  package subscript(key: Key) -> Instant? { instants[key] }

  /// Gives the key this deadline in place of the one that it had; nil clears it.
  package mutating func set(_ key: Key, _ instant: Instant?) {
    guard let instant else { return clear(key) }
    guard instants.updateValue(instant, forKey: key) != instant else { return }
    push(Entry(instant: instant, key: key))
    discardStale()
  }

  /// The key has no deadline any more.
  package mutating func clear(_ key: Key) {
    guard instants.removeValue(forKey: key) != nil else { return }
    discardStale()
  }

  /// The keys whose deadlines have come, the earliest first. They keep their deadlines until these are set or cleared.
  package func due(at now: Instant) -> [Key] {
    guard let next, next <= now else { return [] }
    let due = instants.filter { $0.value <= now }.map { Entry(instant: $0.value, key: $0.key) }
    return due.sorted { $0.isBefore($1) }.map(\.key)
  }

  private func isCurrent(_ entry: Entry) -> Bool { instants[entry.key] == entry.instant }

  /// The first entry is always a deadline that holds, and stale ones never outnumber those that do by much.
  private mutating func discardStale() {
    if heap.count > 2 * instants.count + 16 {
      heap = instants.map { Entry(instant: $0.value, key: $0.key) }.sorted { $0.isBefore($1) }
    }
    while let first = heap.first, !isCurrent(first) { removeFirst() }
  }

  private mutating func push(_ entry: Entry) {
    heap.append(entry)
    var index = heap.count - 1
    while index > 0, heap[index].isBefore(heap[(index - 1) / 2]) {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  private mutating func removeFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var index = 0
    while let child = [2 * index + 1, 2 * index + 2].filter({ $0 < heap.count }).min(by: { heap[$0].isBefore(heap[$1]) }
    ),
      heap[child].isBefore(heap[index])
    {
      heap.swapAt(index, child)
      index = child
    }
  }
}
