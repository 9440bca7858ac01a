/// The streams of a carrier that have bytes to send, in the order of their turns: first those with little to send. A value
/// without I/O.
struct StreamTurns<ID: Equatable> {
  /// A stream with at most this number of bytes has little to send.
  static var small: Int { 16 << 10 }
  /// The most bytes of a turn. They arrive one after the other, so the other end takes them together.
  static var turnBytes: Int { 16 << 10 }

  private var little: [ID] = []
  private var much: [ID] = []
  /// Bytes of the turn that has begun, of the first stream with much to send.
  private var sentInTurn = 0

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

  /// The stream whose turn it is has sent bytes. Its turn ends if it has no more, or has sent enough.
  mutating func sent(_ count: Int, by id: ID, hasMore: Bool) {
    if little.isEmpty { sentInTurn += count }
    if hasMore, little.isEmpty, much.first == id, sentInTurn < Self.turnBytes { return }
    _ = next()
    if hasMore { addAgain(id) }
  }

  /// Removes and returns the stream whose turn it is.
  mutating func next() -> ID? {
    if !little.isEmpty { return little.removeFirst() }
    sentInTurn = 0
    return much.isEmpty ? nil : much.removeFirst()
  }
}
