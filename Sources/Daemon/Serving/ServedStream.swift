import Discovery
import Links
import NodeCore
import Primitives
import Wire

/// A stream of a peer that is being served.
protocol ServedStream: AnyObject {
  /// The link that carries it.
  var link: LinkID { get }
  /// The link under which everything that its node requests is counted, over whichever links.
  var account: LinkID { get }
  /// With whom the node shares the places that strangers may take.
  var origin: PeerOrigin { get }
  /// The lane of the link on which it was opened.
  var lane: LaneID { get }
  /// Bytes that were read for it and have not been sent.
  var heldBytes: Int { get }
  /// What is being sent on it; nil if nothing is.
  var sending: SentFile? { get }
  /// Gives the stream up.
  func close()
  /// Gives the stream up if the peer has taken nothing for too long. Called every `StallClock.period`.
  func endIfStalled(at now: Instant)
}

extension ServedStream {
  var account: LinkID { link }
  var origin: PeerOrigin { .unknown }
  var sending: SentFile? { nil }
}

/// A file that is being sent on a stream, or several small ones.
struct SentFile {
  /// Nil for several small ones.
  let hash: ContentHash?
  /// Bytes read for it so far.
  var bytes: UInt64 = 0
}

/// What the owner of a served stream has to know.
enum ServedStreamEvent {
  /// The stream is about to be reset in the middle of a file; the owner notifies the peer of the reason.
  case aborts(AbortNotice)
  /// The stream is over; it says nothing more.
  case ended
}

/// Finds out whether a peer has stopped taking what it asked for.
struct StallClock {
  /// How often to look.
  static let period: Duration = .seconds(10)
  /// How long a peer may take nothing. Far longer than any pause of a disk or a network that recovers.
  static let limit: Duration = .seconds(60)

  private var queued = 0
  private var since: Instant?

  /// Whether the same `queued` bytes have waited for longer than the limit; 0 if none wait.
  mutating func isStalled(queued: Int, at now: Instant) -> Bool {
    guard queued > 0, queued == self.queued, let since else {
      self.queued = queued
      since = queued > 0 ? now : nil
      return false
    }
    return now - since >= Self.limit
  }
}
