import Primitives

/// How much to read from a connection at a time, so that what it sends does not keep the loop from other connections.
///
/// Megabytes of a file are handled within a millisecond; the same number of bytes in small messages may take a hundred.
struct ReadPace {
  /// How long the bytes of one read should take at most.
  private static let longestRead: Duration = .milliseconds(2)
  /// How long a connection may take in one turn of the loop before others have theirs.
  private static let longestTurn: Duration = .milliseconds(4)
  private static let smallest = 2 << 10

  /// The bytes to read next.
  private(set) var size: Int
  private let largest: Int
  private var turn: UInt64 = 0
  private var spent: Duration = .zero

  /// - Parameter largest: the most bytes to read at a time.
  init(largest: Int) {
    (size, self.largest) = (largest, largest)
  }

  /// Records that the bytes of a read took this long. Returns whether others should have their turns now.
  ///
  /// - Parameter turn: differs from one turn of the loop to the next.
  mutating func handled(_ count: Int, within time: Duration, turn: UInt64) -> Bool {
    if turn != self.turn { (self.turn, spent) = (turn, .zero) }
    spent += time
    if time > Self.longestRead {
      size = max(Self.smallest, min(size, Int(Double(count) * (Self.longestRead / time))))
    } else if time < Self.longestRead / 4, count == size {
      size = min(largest, 2 * size)
    }
    return spent > Self.longestTurn
  }
}
