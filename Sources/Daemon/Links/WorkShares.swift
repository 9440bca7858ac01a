import Discovery
import Primitives
import Transfer

/// Divides the work that messages of peers may cause among their origins, and what an origin gets among its nodes, so that
/// neither many messages nor many identities keep this node from serving others. Bound to the loop.
///
/// A unit is about the lookup of a file, some 30 µs.
final class WorkShares {
  /// Units per second that the peers of one origin may cause; beyond this, they wait for a while. This is several times
  /// what loading thousands of files one by one needs, and a small part of what a core can do.
  static let rate = 5_000.0
  /// The same for all origins together, while several of them want more than they get.
  static let total = 10_000.0
  /// How long a unit takes.
  private static let unit: Duration = .microseconds(30)
  /// A message costs at most this many times its price, however long it took: it may have had to wait for the processor.
  private static let longest = 4
  /// How often to forget nodes that no longer wait.
  private static let period: Duration = .milliseconds(100)

  private struct Share {
    var bucket: TokenBucket
    var waitsUntil: Instant
    /// Whether it is among those that have waited since the last count.
    var isCounted = false
  }

  private struct Origin {
    var shares: [NodeID: Share] = [:]
    /// The nodes that have waited since the last count.
    var waiting = 0
  }

  private var origins: [PeerOrigin: Origin] = [:]
  /// The origins with such nodes.
  private var waiting = 0
  private var countedAt: Instant?

  /// How long a node must wait before its messages may cause more work, having just caused some.
  ///
  /// - Parameters:
  ///   - price: the units that the messages usually cost.
  ///   - time: how long they have kept the processor.
  func delay(for price: Int, within time: Duration = .zero, of node: NodeID, from origin: PeerOrigin, at now: Instant)
    -> Duration
  {
    count(at: now)
    let cost = max(price, min(Int(time / Self.unit), Self.longest * price))
    var known = origins[origin] ?? Origin()
    let rate = min(Self.rate, Self.total / Double(max(1, waiting))) / Double(max(1, known.waiting))
    var share =
      known.shares[node]
      ?? Share(bucket: TokenBucket(rate: Self.rate / Double(known.shares.count + 1), at: now), waitsUntil: now)
    let delay = share.bucket.delay(for: cost, rate: rate, at: now)
    if delay > .zero, !share.isCounted {
      if known.waiting == 0 { waiting += 1 }
      known.waiting += 1
      share.isCounted = true
    }
    share.waitsUntil = now + delay
    known.shares[node] = share
    origins[origin] = known
    return delay
  }

  private func count(at now: Instant) {
    if let countedAt, now - countedAt < Self.period { return }
    countedAt = now
    origins = origins.compactMapValues { origin in
      // The buckets of the others are full again after this long.
      let shares = origin.shares.filter { now < $0.value.waitsUntil + .seconds(1) }
        .mapValues { Share(bucket: $0.bucket, waitsUntil: $0.waitsUntil, isCounted: $0.waitsUntil > now) }
      guard !shares.isEmpty else { return nil }
      return Origin(shares: shares, waiting: shares.values.count(where: \.isCounted))
    }
    waiting = origins.values.count { $0.waiting > 0 }
  }
}
