import Discovery
import Primitives
import Transfer

/// Divides the work that messages of peers may cause among their origins, so that neither many messages nor many
/// identities keep this node from serving others. Bound to the loop.
///
/// A unit is about the lookup of a file, some 30 µs.
final class WorkShares {
  /// Units per second that the peers of one origin may cause; beyond this, they wait for a while. This is several times
  /// what loading thousands of files one by one needs, and a small part of what a core can do.
  static let rate = 5_000.0
  /// The same for all origins together, while several of them want more than they get.
  static let total = 10_000.0
  /// How often to count the origins that wait.
  private static let period: Duration = .milliseconds(100)

  private struct Share {
    var bucket: TokenBucket
    var waitsUntil: Instant
  }

  private var shares: [PeerOrigin: Share] = [:]
  private var waiting = 0
  private var countedAt: Instant?

  /// How long the peers of the origin must wait before they may cause more work, having just caused this much.
  func delay(for cost: Int, from origin: PeerOrigin, at now: Instant) -> Duration {
    count(at: now)
    let rate = min(Self.rate, Self.total / Double(max(1, waiting)))
    var share = shares[origin] ?? Share(bucket: TokenBucket(rate: Self.rate, at: now), waitsUntil: now)
    let delay = share.bucket.delay(for: cost, rate: rate, at: now)
    share.waitsUntil = now + delay
    shares[origin] = share
    return delay
  }

  private func count(at now: Instant) {
    if let countedAt, now - countedAt < Self.period { return }
    countedAt = now
    waiting = shares.values.count { $0.waitsUntil > now }
    // The buckets of the others are full again after this long.
    shares = shares.filter { now < $0.value.waitsUntil + .seconds(1) }
  }
}
