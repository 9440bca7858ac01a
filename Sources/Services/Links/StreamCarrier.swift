import EventLoop
import Primitives

/// Streams between this node and a peer that has proved its ID: everything that a link needs from its transport. Bound to
/// the loop.
///
///     up ──close()──▶ closing (sends what was written) ──▶ closed
///      └──end(), or the path or the peer fails───────────▶ closed
protocol StreamCarrier: AnyObject {
  /// The node at the other end.
  var peer: NodeID { get }
  /// 32 bytes that both ends of this carrier, and of no other, derive.
  var channelBinding: [UInt8] { get }
  /// Whether this end counts as the one that opened the path.
  var isDialer: Bool { get }
  /// The address of the other end; nil if it has none.
  var remoteEndpoint: Endpoint? { get }
  /// How the bytes get there.
  var passage: Passage { get }

  /// Called for each stream that the peer opens; without it they are reset. A stream delivers nothing before this returns.
  var onStream: ((any ByteStream) -> Void)? { get set }
  /// The end, exactly once, after the end of each stream; nil if either side closed in order.
  var onClose: ((KacheryError?) -> Void)? { get set }

  /// Called when bytes of a stream are sent, the first ones since bytes last arrived from the peer.
  var onSent: (() -> Void)? { get set }

  /// Called when the peer has answered for the first time, so that the round trip is known.
  var onMeasured: (() -> Void)? { get set }

  /// When bytes last arrived from the peer; at first, when the carrier came up.
  var lastHeard: Instant { get }
  /// Whether bytes of a stream have been sent since bytes last arrived from the peer.
  var isAnswerDue: Bool { get }
  /// The shortest round trip so far: the length of the path.
  var roundTripTime: Duration? { get }
  /// The shortest of the last round trips measured: what the path takes while nothing is queued.
  var shortestRoundTrip: Duration? { get }
  /// What the peer's side has acknowledged; nil if the path does not report it.
  var delivery: DeliveryState? { get }
  /// Bytes that wait for the path to take them.
  var pendingBytes: Int { get }
  /// Streams that are open.
  var openStreams: Int { get }
  /// What it has carried.
  var traffic: LinkTraffic { get }

  /// Opens a stream on which the peer may send `window` bytes ahead of what is consumed.
  ///
  /// - Returns: nil if this carrier can open no more streams.
  func openStream(window: Int) -> (any ByteStream)?
  /// Asks the peer for a sign of life, and measures the round trip.
  func ping()
  /// Tunes the path for bulk data over a long way, as far as it can be tuned.
  func preferThroughput()
  /// Closes in order: sends what was written before, as far as the peer takes it, and nothing written later. Idempotent.
  func close()
  /// Ends immediately, for this reason; nil if it is an end in order. Drops what has not been sent. Idempotent.
  func end(_ error: KacheryError?)
}
