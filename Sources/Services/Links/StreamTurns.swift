/// The streams of a carrier that have bytes to send, in the order of their turns: first those with little to send. A value
/// without I/O.
struct StreamTurns<ID: Equatable> {
  /// A stream with at most this number of bytes has little to send.
  static var small: Int { 16 << 10 }

  private var little: [ID] = []
  private var much: [ID] = []

  var isEmpty: Bool { little.isEmpty && much.isEmpty }

  /// The stream whose turn it is.
  var first: ID? { little.first ?? much.first }

  func contains(_ id: ID) -> Bool { little.contains(id) || much.contains(id) }

  /// Adds a stream with this number of bytes to send, unless it is waiting already.
  mutating func add(_ id: ID, count: Int) {
    guard !contains(id) else { return }
    if count <= Self.small { little.append(id) } else { much.append(id) }
  }

  /// Adds a stream that has had its turn and has more to send, unless it was added during its turn.
  mutating func addAgain(_ id: ID) { if !contains(id) { much.append(id) } }

  /// Removes and returns the stream whose turn it is.
  mutating func next() -> ID? {
    if !little.isEmpty { return little.removeFirst() }
    return much.isEmpty ? nil : much.removeFirst()
  }
}
