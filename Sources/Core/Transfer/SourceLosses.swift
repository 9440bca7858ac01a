import Primitives

/// The lost sources of a file, and its searches.
struct SourceLosses: Sendable {
  private(set) var last: NodeID?
  /// Whether the last one may return in a moment: its link broke.
  private(set) var mayReturn = false
  /// The bytes that had arrived at the last search; nil if there was none.
  private var searchedWith: UInt64?
  /// When the last search began.
  private(set) var searchedAt: Instant?
  /// How many nodes were asked.
  private(set) var asked = 0

  mutating func add(_ node: NodeID, mayReturn: Bool) {
    last = node
    self.mayReturn = mayReturn
  }

  /// A search for the file begins.
  mutating func beginSearch(at now: Instant) { searchedAt = now }

  /// The search has ended: every node that was asked has answered, or the wait is over.
  mutating func endSearch(asked: Int) { self.asked = asked }

  /// Whether another search is worthwhile: something has arrived since the last search after a loss.
  mutating func shouldSearch(with loaded: UInt64) -> Bool {
    guard searchedWith.map({ loaded > $0 }) ?? true else { return false }
    searchedWith = loaded
    return true
  }

  /// A search with `loaded` bytes would find nothing else.
  mutating func skipSearch(with loaded: UInt64) { searchedWith = loaded }

  /// Something has changed that makes another search worthwhile.
  mutating func allowSearch() { searchedWith = nil }
}
