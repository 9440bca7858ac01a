import Primitives

/// The sources of a file that were lost, and when others were looked for.
struct SourceLosses: Sendable {
  private(set) var last: NodeID?
  /// Whether the last one may be back in a moment: its link broke.
  private(set) var mayReturn = false
  /// How much was here when everybody was asked again; nil if nobody was.
  private var searchedWith: UInt64?
  /// When everybody was last asked.
  private(set) var searchedAt: Instant?
  /// How many were asked.
  private(set) var asked = 0

  mutating func add(_ node: NodeID, mayReturn: Bool) {
    last = node
    self.mayReturn = mayReturn
  }

  /// Everybody is asked for the file.
  mutating func beginSearch(at now: Instant) { searchedAt = now }

  /// Everybody who was asked has answered, or nothing more is waited for.
  mutating func endSearch(asked: Int) { self.asked = asked }

  /// Whether asking again is worth it: something has come since everybody was last asked because a source was lost.
  mutating func shouldSearch(with loaded: UInt64) -> Bool {
    guard searchedWith.map({ loaded > $0 }) ?? true else { return false }
    searchedWith = loaded
    return true
  }

  /// A search with so many bytes here would find nothing else.
  mutating func skipSearch(with loaded: UInt64) { searchedWith = loaded }

  /// Something has changed that makes another search worth it.
  mutating func allowSearch() { searchedWith = nil }
}
