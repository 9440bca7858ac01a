/// A set of a batch's nodes by index, small enough to store with every file.
struct NodeSet: Hashable, Sendable {
  /// The number of indices.
  static let capacity = 256

  private var a: UInt64 = 0
  private var b: UInt64 = 0
  private var c: UInt64 = 0
  private var d: UInt64 = 0

  var isEmpty: Bool { a | b | c | d == 0 }

  var count: Int { a.nonzeroBitCount + b.nonzeroBitCount + c.nonzeroBitCount + d.nonzeroBitCount }

  subscript(place: Int) -> Bool {
    get { word(place) & Self.bit(place) != 0 }
    set {
      let word = newValue ? word(place) | Self.bit(place) : word(place) & ~Self.bit(place)
      switch place >> 6 {
      case 0: a = word
      case 1: b = word
      case 2: c = word
      default: d = word
      }
    }
  }

  mutating func formUnion(_ other: NodeSet) {
    a |= other.a
    b |= other.b
    c |= other.c
    d |= other.d
  }

  func isSubset(of other: NodeSet) -> Bool {
    (a & ~other.a) | (b & ~other.b) | (c & ~other.c) | (d & ~other.d) == 0
  }

  func isDisjoint(with other: NodeSet) -> Bool { (a & other.a) | (b & other.b) | (c & other.c) | (d & other.d) == 0 }

  private func word(_ place: Int) -> UInt64 {
    switch place >> 6 {
    case 0: a
    case 1: b
    case 2: c
    default: d
    }
  }

  private static func bit(_ place: Int) -> UInt64 { 1 << UInt64(place & 63) }
}
