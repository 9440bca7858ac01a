/// Counts by key, and finds a key with the largest count in constant time.
///
/// Which one of several it finds depends on the order of the changes alone, so it is the same in every run.
struct LargestCount<Key: Hashable & Sendable>: Sendable {
  /// The count of each key, and its place among the keys with that count.
  private var places: [Key: (count: Int, index: Int)] = [:]
  /// The keys with each count.
  private var keys: [[Key]] = [[]]

  /// A key with the largest count; nil if there is none.
  var largest: Key? { keys.last?.last }

  subscript(key: Key) -> Int { places[key]?.count ?? 0 }

  mutating func increment(_ key: Key) { move(key, to: self[key] + 1) }

  mutating func decrement(_ key: Key) { move(key, to: max(0, self[key] - 1)) }

  private mutating func move(_ key: Key, to count: Int) {
    if let (old, index) = places.removeValue(forKey: key) {
      // The last one takes its place.
      if let last = keys[old].popLast(), last != key {
        keys[old][index] = last
        places[last] = (old, index)
      }
    }
    if count > 0 {
      while keys.count <= count { keys.append([]) }
      places[key] = (count, keys[count].count)
      keys[count].append(key)
    }
    while keys.count > 1, keys.last?.isEmpty == true { keys.removeLast() }
  }
}
