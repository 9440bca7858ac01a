import Primitives

/// A node that claims to have the file, and how it has behaved.
struct SourceState: Sendable {
  var source: Source
  /// How fast it is.
  var rate = SourceRate()
  /// Set while it sends nothing because it serves others too.
  var delay: SourceDelay?
  /// When it last sent a byte or reported a wait, or was asked for something after a pause; nil if nothing is requested
  /// from it.
  var heardAt: Instant?
  /// The number of pieces requested from it because its lanes were idle.
  var room = 0
  /// How many times other nodes were faster with a piece that was first requested from it, since it last sent one.
  var lostRaces = 0
  /// Whether it is loading the file itself and, as far as is known, has nothing more that is still needed.
  var isExhausted = false
  /// Whether it is about to be removed.
  var isLeaving = false
  /// Manifests under which it is not used: its bytes contradict them, or they are late.
  var unusable: Set<ContentHash> = []
  /// A piece for which its bytes contradict a manifest that another node has named. One of the two is wrong.
  var contradiction: (manifest: ContentHash, piece: ContentHash)?

  init(_ source: Source) { self.source = source }

  var node: NodeID { source.node }

  /// Whether it is not to be asked: it has refused for now, or is about to be removed.
  var isResting: Bool { isLeaving || delay?.asksAgainAt != nil }

  /// Bytes per second if it has sent any, 0 if nothing is known about it, and less if it sends nothing.
  func estimate(at now: Instant) -> Double {
    guard let speed = rate.bytesPerSecond(at: now) else { return 0 }
    return rate.hasGiven ? speed : -1
  }

  /// It is asked for something after a pause.
  mutating func begin(at now: Instant) {
    heardAt = now
    rate.begin(at: now)
  }

  /// Nothing is requested from it anymore.
  mutating func pause(at now: Instant) {
    heardAt = nil
    rate.pause(at: now)
  }

  /// It has sent something.
  mutating func gave(_ bytes: UInt64, at now: Instant) {
    heardAt = now
    delay = nil
    rate.add(bytes, at: now)
  }
}
