internal import CNgtcp2
import Primitives

/// Finds how large packets a path carries on which this side's network has jumbo frames (RFC 8899). ngtcp2's own search
/// ends at the frames of Ethernet.
///
/// It begins with what every path carries, and sends padding of ever larger sizes until some is lost. Full packets of
/// which none arrives for long mean that the path carries less than before; the search then begins again.
struct PathMTUSearch {
  /// What every path of QUIC carries (RFC 9000, section 14).
  static let base = 1_200
  /// The largest packet: that of jumbo frames of 9,000 bytes.
  static let largest = sizes[sizes.count - 1]
  /// IPv6 packets of 1,280 bytes, of 1,420 (WireGuard), 1,492 (PPPoE) and 9,000, less the headers of IPv6 and UDP.
  private static let sizes = [1_232, 1_372, 1_444, Int(CNGTCP2_JUMBO)]
  private static let headers = 48
  /// Losses of one size: a single one may have another reason.
  private static let mostLosses = 2
  private static let shortestSilence: Duration = .seconds(1)
  private static let silentTimeouts = 3

  /// The largest packet that may be sent now.
  private(set) var size = base
  private var next = 0
  private var losses = 0
  private var last: UInt64 = 0
  private var underWay: (number: UInt64, size: Int)?
  /// When this side sent its first full packet since the other side last had further bytes; nil if it sent none.
  private var unansweredSince: Instant?

  /// A search on a route of this MTU; nil if it has no jumbo frames, or if its MTU is unknown.
  init?(routeMTU: Int?) {
    guard let routeMTU, routeMTU >= Self.largest + Self.headers else { return nil }
  }

  /// Whether a packet of padding may be due.
  var isSearching: Bool { underWay == nil && next < Self.sizes.count }

  /// The size of the packet of padding to send next, and the number to tell it by; nil if there is none now.
  ///
  /// - Parameter limit: the largest that the other side accepts.
  func probe(limit: Int) -> (number: UInt64, size: Int)? {
    guard isSearching, Self.sizes[next] <= limit else { return nil }
    return (last + 1, Self.sizes[next])
  }

  /// The next packet of padding was sent, with this size.
  mutating func sentProbe(_ size: Int) {
    last += 1
    underWay = (last, size)
  }

  /// A packet of padding has arrived, or is lost.
  mutating func probeEnded(_ number: UInt64, hasArrived: Bool) {
    guard let probe = underWay, probe.number == number else { return }
    underWay = nil
    if hasArrived {
      size = max(size, probe.size)
      next += 1
      losses = 0
    } else {
      losses += 1
      if losses == Self.mostLosses { next = Self.sizes.count }
    }
  }

  /// A packet of this size was sent.
  mutating func sent(_ count: Int, at now: Instant) {
    if count > Self.base, unansweredSince == nil { unansweredSince = now }
  }

  /// The other side has further bytes.
  mutating func answered() { unansweredSince = nil }

  /// Begins again if the path has carried no full packets for long.
  ///
  /// - Parameter timeout: the time after which an unanswered packet is sent again.
  mutating func check(at now: Instant, timeout: Duration) {
    guard let since = unansweredSince, now - since >= max(Self.shortestSilence, timeout * Self.silentTimeouts) else {
      return
    }
    (size, next, losses, underWay, unansweredSince) = (Self.base, 0, 0, nil, nil)
  }
}
