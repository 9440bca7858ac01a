import Primitives

/// A source that has the file but sends nothing for now, because it serves its maximum.
struct SourceDelay: Hashable, Sendable {
  /// How long to wait for such a source: longer than any user waits, but not forever, whatever it says.
  static let longest: Duration = .seconds(1_800)
  /// How often to search for other sources meanwhile.
  static let searchPeriod: Duration = .seconds(30)
  /// How long to wait for one that is not needed.
  private static let moment: Duration = .seconds(10)
  /// The pause before a source that refused is asked again; it doubles.
  private static let firstPause: Duration = .seconds(1)
  private static let longestPause: Duration = .seconds(8)

  /// Since when it has sent nothing.
  let since: Instant
  /// Other peers that wait for it as well, according to the source; nil if it refused.
  var others: UInt32?
  /// When it may be asked again; nil if it has accepted the request and will serve it.
  private(set) var asksAgainAt: Instant?
  private var pause = SourceDelay.firstPause

  init(since: Instant) { self.since = since }

  /// It has refused: sets when to ask it again.
  mutating func refused(at now: Instant) {
    others = nil
    asksAgainAt = now + pause
    pause = min(pause + pause, Self.longestPause)
  }

  /// It is asked again.
  mutating func ask() { asksAgainAt = nil }

  /// Whether the wait has lasted longer than a moment.
  func isLong(at now: Instant) -> Bool { now - since >= Self.moment }

  /// Whether the wait has reached its maximum.
  func isTooLong(at now: Instant) -> Bool { now - since >= Self.longest }
}
