import Mux

/// The streams of a carrier that have bytes to send, in the order of their turns: first those with little to send. A value
/// without I/O.
struct StreamTurns {
  /// A stream with at most this number of bytes has little to send.
  static let small = 16 << 10

  private var little: [StreamID] = []
  private var much: [StreamID] = []

  var isEmpty: Bool { little.isEmpty && much.isEmpty }

  func contains(_ id: StreamID) -> Bool { little.contains(id) || much.contains(id) }

  /// Adds a stream with this number of bytes to send, unless it is waiting already.
  mutating func add(_ id: StreamID, count: Int) {
    guard !contains(id) else { return }
    if count <= Self.small { little.append(id) } else { much.append(id) }
  }

  /// Adds a stream that has had its turn and has more to send, unless it was added during its turn.
  mutating func addAgain(_ id: StreamID) { if !contains(id) { much.append(id) } }

  /// The stream whose turn it is.
  mutating func next() -> StreamID? {
    if !little.isEmpty { return little.removeFirst() }
    return much.isEmpty ? nil : much.removeFirst()
  }
}
