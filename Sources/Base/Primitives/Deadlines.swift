/// One deadline per key, with constant-time access to the earliest.
///
/// Keys with the same deadline are ordered by key, so the order is the same in every run.
package struct Deadlines<Key: Hashable & Comparable & Sendable>: Sendable {
  private struct Entry {
    let instant: Instant
    let key: Key

    func isBefore(_ other: Entry) -> Bool {
      instant == other.instant ? key < other.key : instant < other.instant
    }
  }

  private var instants: [Key: Instant] = [:]
  /// A binary heap, earliest entry first. Replaced and cleared entries stay until they are first.
  private var heap: [Entry] = []

  package init() {}

  /// Whether no deadline is set.
  package var isEmpty: Bool { instants.isEmpty }

  /// The earliest deadline; nil if there is none.
  package var next: Instant? { heap.first?.instant }

  /// A key whose deadline has passed, of those the earliest; nil if there is none. Takes constant time.
  package func first(at now: Instant) -> Key? { heap.first.flatMap { $0.instant <= now ? $0.key : nil } }

  /// The deadline of a key; nil if it has none.
  package subscript(key: Key) -> Instant? { instants[key] }

  /// Sets or replaces the key's deadline; nil clears it.
  package mutating func set(_ key: Key, _ instant: Instant?) {
    guard let instant else { return clear(key) }
    guard instants.updateValue(instant, forKey: key) != instant else { return }
    push(Entry(instant: instant, key: key))
    discardStale()
  }

  /// Clears the key's deadline.
  package mutating func clear(_ key: Key) {
    guard instants.removeValue(forKey: key) != nil else { return }
    discardStale()
  }

  /// The keys whose deadlines have passed, earliest first. Their deadlines stay until they are set or cleared.
  package func due(at now: Instant) -> [Key] {
    guard let next, next <= now else { return [] }
    let due = instants.filter { $0.value <= now }.map { Entry(instant: $0.value, key: $0.key) }
    return due.sorted { $0.isBefore($1) }.map(\.key)
  }

  private func isCurrent(_ entry: Entry) -> Bool { instants[entry.key] == entry.instant }

  /// Removes stale entries, so that the first entry is always valid and stale ones never outnumber the valid ones by
  /// much.
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
    while let child = earlierChild(of: index), heap[child].isBefore(heap[index]) {
      heap.swapAt(index, child)
      index = child
    }
  }

  private func earlierChild(of index: Int) -> Int? {
    let (left, right) = (2 * index + 1, 2 * index + 2)
    guard right < heap.count else { return left < heap.count ? left : nil }
    return heap[right].isBefore(heap[left]) ? right : left
  }
}
