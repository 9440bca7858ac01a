/// A FIFO queue. Removed elements are released immediately, in amortized constant time: the rest is moved only
/// occasionally.
package struct Queue<Element> {
  /// Elements before `head` have been removed.
  private var elements: [Element?] = []
  private var head = 0

  /// A queue without elements.
  package init() {}

  /// The number of elements.
  package var count: Int { elements.count - head }
  /// Whether there are no elements.
  package var isEmpty: Bool { head == elements.count }
  /// The next element to remove.
  package var first: Element? { isEmpty ? nil : elements[head] }

  /// Adds an element at the end.
  package mutating func append(_ element: Element) { elements.append(element) }

  /// Adds elements at the end, in their order.
  package mutating func append(contentsOf more: some Sequence<Element>) {
    for element in more { elements.append(element) }
  }

  /// The next elements, at most `count`, without removing them.
  package func prefix(_ count: Int) -> [Element] { elements[head...].prefix(count).compactMap { $0 } }

  /// Removes and returns the next element; nil if there is none.
  package mutating func popFirst() -> Element? {
    guard let first else { return nil }
    removeFirst(1)
    return first
  }

  /// Removes the next elements, at most `count`.
  package mutating func removeFirst(_ count: Int) {
    for place in head..<min(head + count, elements.count) { elements[place] = nil }
    head = min(head + count, elements.count)
    // No more elements are moved than were removed, so moving adds only constant cost.
    guard head * 2 >= elements.count else { return }
    elements.removeFirst(head)
    head = 0
  }

  /// Removes the elements that fulfill the condition.
  package mutating func removeAll(where condition: (Element) -> Bool) {
    elements = elements[head...].filter { element in element.map { !condition($0) } ?? false }
    head = 0
  }

  /// Removes all elements.
  package mutating func removeAll() { (elements, head) = ([], 0) }
}

extension Queue: Sendable where Element: Sendable {}
