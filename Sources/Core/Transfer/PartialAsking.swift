import Primitives

/// Decides when to ask nodes that are loading the file themselves what they have by now: each has some of its chunks,
/// and soon more.
///
/// Nodes that load a file at the same time find each other through their questions: a node that asks for a file that
/// this node is loading is asked in turn. They are asked again as long as they may have something that is missing here.
struct PartialAsking: Sendable {
  /// Most nodes that are loading the file themselves: more would hardly have anything new.
  static let maximumNodes = 32
  /// The least time between two questions about what a node has by now: chunks take about as long to arrive.
  private static let period: Duration = .seconds(1)
  /// How long after its question a node that wants the file is asked: it may have to read the manifest first.
  private static let firstPeriod: Duration = .milliseconds(200)
  /// Added to the period for each source that is asked: at most 20 questions per second.
  private static let periodPerSource: Duration = .milliseconds(50)

  /// Nodes that have asked for the file meanwhile: they may be loading it too.
  private var interested: Set<NodeID> = []
  /// When to ask them, and sources that had nothing more, what they have.
  private var asksAt: Instant?
  /// Since when no source has anything that is missing.
  private var starvesSince: Instant?

  /// When something is due; nil if nothing is.
  var wakeAt: Instant? { [asksAt, starvesUntil].compactMap { $0 }.min() }

  /// When the retrieval fails unless something changes.
  private var starvesUntil: Instant? { starvesSince.map { $0 + TransferEngine.starvation } }

  /// Whether the sources have had nothing that is missing for too long.
  func hasStarved(at now: Instant) -> Bool { starvesUntil.map { $0 <= now } ?? false }

  /// A node may be loading the file too.
  mutating func add(_ node: NodeID) {
    if interested.count < Self.maximumNodes { interested.insert(node) }
  }

  /// The nodes to ask now, in order; nil before it is time.
  mutating func takeDue(exhausted: [NodeID], at now: Instant) -> [NodeID]? {
    guard let asksAt, asksAt <= now else { return nil }
    let nodes = interested.union(exhausted).sorted()
    interested = []
    self.asksAt = nil
    return nodes
  }

  /// Sets when to ask again, and records since when no source has anything that is missing.
  ///
  /// - Parameters:
  ///   - exhausted: the number of sources that had nothing more, if others may still have a missing piece; nil if none
  ///     is.
  ///   - starves: whether no source is asked for anything, or will be.
  mutating func review(exhausted: Int?, starves: Bool, at now: Instant) {
    guard let exhausted else {
      asksAt = nil
      starvesSince = nil
      return
    }
    let asked = exhausted + interested.count
    let base = exhausted == 0 ? Self.firstPeriod : Self.period
    asksAt = asked == 0 ? nil : asksAt ?? now + (base + Self.periodPerSource * asked)
    starvesSince = starves ? starvesSince ?? now : nil
  }
}
