import Primitives

/// A node that says it has the file, and how it has behaved.
struct SourceState: Sendable {
  var source: Source
  /// How fast it is.
  var rate = SourceRate()
  /// Set while it gives nothing because it serves others too.
  var delay: SourceDelay?
  /// When it last gave a byte or said that there is a wait, or was asked for something after a while; nil if it is not
  /// asked.
  var heardAt: Instant?
  /// How often others gave a piece sooner that it was asked for first, since it last gave one.
  var lostRaces = 0
  /// Whether it is loading the file itself and has nothing more, as far as is known, that is still to be asked for.
  var isExhausted = false
  /// Manifests under which it is not used: its bytes contradict them, or they are late.
  var unusable: Set<ContentHash> = []
  /// The piece that it gave other bytes for than a manifest says which another node has named. One of the two is wrong.
  var contradiction: (manifest: ContentHash, piece: ContentHash)?

  init(_ source: Source) { self.source = source }

  var node: NodeID { source.node }

  /// Whether it has refused to give anything for now and is not to be asked yet.
  var isResting: Bool { delay?.asksAgainAt != nil }

  /// Bytes a second if it has given any, 0 if nothing is known of it, and less if it gives nothing.
  func estimate(at now: Instant) -> Double {
    guard let speed = rate.bytesPerSecond(at: now) else { return 0 }
    return rate.hasGiven ? speed : -1
  }

  /// It is asked for something after a while in which it was not.
  mutating func begin(at now: Instant) {
    heardAt = now
    rate.begin(at: now)
  }

  /// It is asked for nothing any more.
  mutating func pause(at now: Instant) {
    heardAt = nil
    rate.pause(at: now)
  }

  /// It has given something.
  mutating func gave(_ bytes: UInt64, at now: Instant) {
    heardAt = now
    delay = nil
    rate.add(bytes, at: now)
  }
}
