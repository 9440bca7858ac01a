/// A set of piece indices, stored as ranges: the size of a file costs nothing while all its pieces are in, or all out.
package struct PieceSet: Hashable, Sendable, ExpressibleByArrayLiteral {
  /// In order, not empty, with a gap between any two.
  private var ranges: [Range<Int>]
  /// The number of indices in the set.
  package private(set) var count: Int

  /// All indices of a range.
  package init(_ range: Range<Int> = 0..<0) {
    ranges = range.isEmpty ? [] : [range]
    count = range.count
  }

  /// These indices, in any order.
  package init(_ places: some Sequence<Int>) {
    self.init()
    for place in places.sorted() { insert(place) }
  }

  package init(arrayLiteral places: Int...) { self.init(places) }

  package var isEmpty: Bool { ranges.isEmpty }

  /// The lowest index.
  package var first: Int? { ranges.first?.lowerBound }

  /// The number of ranges used.
  package var rangeCount: Int { ranges.count }

  /// The indices in increasing order, computed on demand.
  package var places: some Sequence<Int> { ranges.lazy.joined() }

  /// Whether the set contains the index.
  package func contains(_ place: Int) -> Bool {
    let index = indexOfRange(endingBehind: place)
    return index < ranges.count && ranges[index].contains(place)
  }

  /// Adds an index; does nothing if it is contained.
  package mutating func insert(_ place: Int) {
    let index = indexOfRange(endingBehind: place)
    if index < ranges.count, ranges[index].contains(place) { return }
    count += 1
    let joinsBefore = index > 0 && ranges[index - 1].upperBound == place
    let joinsBehind = index < ranges.count && ranges[index].lowerBound == place + 1
    switch (joinsBefore, joinsBehind) {
    case (true, true):
      ranges[index - 1] = ranges[index - 1].lowerBound..<ranges[index].upperBound
      ranges.remove(at: index)
    case (true, false): ranges[index - 1] = ranges[index - 1].lowerBound..<place + 1
    case (false, true): ranges[index] = place..<ranges[index].upperBound
    case (false, false): ranges.insert(place..<place + 1, at: index)
    }
  }

  /// Removes an index; does nothing if it is not contained.
  package mutating func remove(_ place: Int) {
    let index = indexOfRange(endingBehind: place)
    guard index < ranges.count, ranges[index].contains(place) else { return }
    count -= 1
    let (before, behind) = (ranges[index].lowerBound..<place, place + 1..<ranges[index].upperBound)
    switch (before.isEmpty, behind.isEmpty) {
    case (true, true): ranges.remove(at: index)
    case (true, false): ranges[index] = behind
    case (false, true): ranges[index] = before
    case (false, false):
      ranges[index] = before
      ranges.insert(behind, at: index + 1)
    }
  }

  /// Removes the indices of another set.
  package mutating func subtract(_ other: PieceSet) {
    guard !other.isEmpty, !isEmpty else { return }
    var left: [Range<Int>] = []
    var index = 0
    for range in ranges {
      var start = range.lowerBound
      while index < other.ranges.count, other.ranges[index].upperBound <= start { index += 1 }
      var next = index
      while next < other.ranges.count, other.ranges[next].lowerBound < range.upperBound {
        if start < other.ranges[next].lowerBound { left.append(start..<other.ranges[next].lowerBound) }
        start = max(start, other.ranges[next].upperBound)
        next += 1
      }
      if start < range.upperBound { left.append(start..<range.upperBound) }
    }
    ranges = left
    count = left.reduce(0) { $0 + $1.count }
  }

  /// The first range that ends after the index; it contains the index if any range does.
  private func indexOfRange(endingBehind place: Int) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound > place { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
