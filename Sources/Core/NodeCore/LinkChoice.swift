import Primitives

/// Chooses, among the links to one node, the one over which that node is asked.
///
/// A link that is lost or silent is replaced immediately. Otherwise a better kind of path wins, and within one kind a
/// clearly shorter round trip that has lasted for a while; such a change is made at most once a minute, except to a link
/// that has come up since the last one.
struct LinkChoice: Sendable {
  /// How long another link of the same kind must be faster.
  static let steadyTime: Duration = .seconds(10)
  /// The least time between changes that are not forced.
  static let changePeriod: Duration = .seconds(60)
  /// The least time between two wishes of the other node that are granted.
  static let wishPeriod: Duration = .seconds(10)
  /// How much shorter a round trip must be: to this part of the other one, and by this time.
  static let shorterPart = 0.75
  static let shorterBy: Duration = .milliseconds(5)

  /// If one of two nodes prefers QUIC, it comes before TCP on paths with at least this round trip. On shorter paths TCP
  /// costs less, and loses little time when it repeats a packet.
  static let longRoundTrip: Duration = .milliseconds(5)

  /// A link that can be used.
  struct Candidate: Sendable {
    let link: LinkID
    let path: PathKind
    let roundTrip: Duration?
    let isSilent: Bool
    /// Whether it is one of QUIC, or of TCP, and the other would be better; or leads through a relay for messages only.
    var isSecondChoice = false

    /// Smaller for better kinds of links, and the same for kinds that are equally good.
    var kind: Int { path.rank * 2 + (isSecondChoice ? 1 : 0) }
  }

  /// The chosen link.
  private(set) var link: LinkID
  /// When it was chosen instead of another one; nil if it is the first.
  private(set) var changedAt: Instant?
  /// When the other node's wish was last granted.
  private var grantedAt: Instant?
  /// When a link was last changed without need, and the newest one to which that was ever done.
  private var improved: (at: Instant, newest: LinkID)?
  /// The link that is faster than the chosen one, and since when.
  private var rival: (link: LinkID, since: Instant)?

  init(_ link: LinkID) { self.link = link }

  /// Takes this link.
  mutating func take(_ other: LinkID, at now: Instant) {
    guard other != link else { return }
    link = other
    changedAt = now
    rival = nil
  }

  /// Whether to use the link that the other node wishes; not more often than every `wishPeriod`.
  mutating func grantsWish(at now: Instant) -> Bool {
    guard grantedAt.map({ now - $0 >= Self.wishPeriod }) ?? true else { return false }
    grantedAt = now
    return true
  }

  /// The link to use instead of a chosen one that is lost or silent; nil if the chosen one stays.
  func replacement(among candidates: [Candidate]) -> LinkID? {
    let current = candidates.first { $0.link == link }
    guard current?.isSilent ?? true else { return nil }
    let usable = candidates.filter { $0.link != link && (!$0.isSilent || current == nil) }
    return usable.min { $0.rank < $1.rank }?.link
  }

  /// The better link, if the chosen one is to be changed for it now. Call it about every second.
  mutating func improvement(among candidates: [Candidate], at now: Instant) -> LinkID? {
    guard let current = candidates.first(where: { $0.link == link }),
      let best = candidates.filter({ $0.isProven }).min(by: { $0.rank < $1.rank })
    else { return nil }
    let mayChange = improved.map { now - $0.at >= Self.changePeriod } ?? true
    if best.kind < current.kind {
      rival = nil
      guard mayChange || improved.map({ best.link > $0.newest }) ?? true else { return nil }
    } else {
      guard best.kind == current.kind, best.isFaster(than: current) else {
        rival = nil
        return nil
      }
      if rival?.link != best.link { rival = (best.link, now) }
      guard mayChange, let since = rival?.since, now - since >= Self.steadyTime else { return nil }
    }
    improved = (now, max(best.link, improved?.newest ?? best.link))
    return best.link
  }
}

extension LinkChoice.Candidate {
  /// Whether the other end has answered over it, and still does.
  fileprivate var isProven: Bool { roundTrip != nil && !isSilent }

  /// Links that were never measured come last in their kind, and of two equal ones the older is first.
  fileprivate var rank: Rank {
    Rank(isSilent: isSilent, kind: kind, roundTrip: roundTrip ?? .seconds(3_600), link: link)
  }

  fileprivate struct Rank: Comparable {
    let isSilent: Bool
    let kind: Int
    let roundTrip: Duration
    let link: LinkID

    static func < (left: Rank, right: Rank) -> Bool {
      guard left.isSilent == right.isSilent else { return right.isSilent }
      return (left.kind, left.roundTrip, left.link) < (right.kind, right.roundTrip, right.link)
    }
  }

  func isFaster(than other: Self) -> Bool {
    guard let roundTrip, let before = other.roundTrip else { return false }
    return roundTrip <= before * LinkChoice.shorterPart
      && before - roundTrip >= LinkChoice.shorterBy
  }
}
