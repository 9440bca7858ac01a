/// Identifies a link. Later links have higher numbers.
package struct LinkID: Hashable, Comparable, Sendable {
  package let number: UInt64

  package init(number: UInt64) { self.number = number }

  package static func < (left: LinkID, right: LinkID) -> Bool { left.number < right.number }
}
