/// Elements that leave in the order in which they came. Each leaves at once and in constant time: those behind it are moved
/// only now and then.
package struct Queue<Element> {
  /// Those before `head` have left.
  private var elements: [Element?] = []
  private var head = 0

  /// A queue without elements.
  package init() {}

  /// How many wait.
  package var count: Int { elements.count - head }
  /// Whether none waits.
  package var isEmpty: Bool { head == elements.count }
  /// The one that leaves next.
  package var first: Element? { isEmpty ? nil : elements[head] }

  /// Puts one behind the others.
  package mutating func append(_ element: Element) { elements.append(element) }

  /// Puts more behind the others, in their order.
  package mutating func append(contentsOf more: some Sequence<Element>) {
    for element in more { elements.append(element) }
  }

  /// The next ones, at most `count`; they stay.
  package func prefix(_ count: Int) -> [Element] { elements[head...].prefix(count).compactMap { $0 } }

  /// Lets the next one go; nil if there is none.
  package mutating func popFirst() -> Element? {
    guard let first else { return nil }
    removeFirst(1)
    return first
  }

  /// Lets the next ones go, at most `count`.
  package mutating func removeFirst(_ count: Int) {
    for place in head..<min(head + count, elements.count) { elements[place] = nil }
    head = min(head + count, elements.count)
    // What stays is no more than what goes, so moving it costs no more than the leaving did.
    guard head * 2 >= elements.count else { return }
    elements.removeFirst(head)
    head = 0
  }

  /// Lets all of them go.
  package mutating func removeAll() { (elements, head) = ([], 0) }
}

extension Queue: Sendable where Element: Sendable {}
