import Primitives

/// A source has what is wanted and gives nothing for the time being, because it serves as much as it will.
struct SourceDelay: Hashable, Sendable {
  /// How long such a source is waited for: longer than anybody sits and waits, and not for ever, whatever it says.
  static let longest: Duration = .seconds(1_800)
  /// How often others are looked for meanwhile.
  static let searchPeriod: Duration = .seconds(30)
  /// How long one is waited for that is not needed.
  private static let moment: Duration = .seconds(10)
  /// The pause before a source that refused is asked again; it doubles.
  private static let firstPause: Duration = .seconds(1)
  private static let longestPause: Duration = .seconds(8)

  /// Since when it has given nothing.
  let since: Instant
  /// Other peers that wait for it as well, as it says; nil where it refused.
  var others: UInt32?
  /// When it may be asked again; nil where it has taken the request and will come back to it.
  private(set) var asksAgainAt: Instant?
  private var pause = SourceDelay.firstPause

  init(since: Instant) { self.since = since }

  /// It has refused: it is asked again after a pause.
  mutating func refused(at now: Instant) {
    others = nil
    asksAgainAt = now + pause
    pause = min(pause + pause, Self.longestPause)
  }

  /// It is asked again.
  mutating func ask() { asksAgainAt = nil }

  /// Whether it has been waited for longer than a moment.
  func isLong(at now: Instant) -> Bool { now - since >= Self.moment }

  /// Whether it has been waited for as long as anybody waits.
  func isTooLong(at now: Instant) -> Bool { now - since >= Self.longest }
}
