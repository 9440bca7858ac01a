import Crypto
import Feeds
import Primitives
import TestSupport
import Testing
import Wire

/// Nodes with feeds in memory, linked by a network that delays and breaks. The seed determines everything.
final class FeedWorld {
  let seed: UInt64
  var random: SeededRandom
  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  private(set) var nodes: [FeedNode] = []
  private var events: [(at: Instant, number: UInt64, run: () -> Void)] = []
  private var lastEvent: UInt64 = 0
  /// Links by their ends, the smaller index first; the number distinguishes an old link of two nodes from a new one.
  private var links: [Pair: UInt64] = [:]
  let topic: Topic
  /// All effects of the engines, in order, if tracing is on.
  private(set) var trace: [String] = []
  var keepsTrace = false

  struct Pair: Hashable {
    let low: Int
    let high: Int

    init(_ first: Int, _ second: Int) {
      low = min(first, second)
      high = max(first, second)
    }
  }

  init(seed: UInt64, nodes count: Int) throws {
    self.seed = seed
    random = SeededRandom(seed: seed)
    topic = try #require(Topic(bytes: [UInt8](repeating: 7, count: Topic.byteCount)))
    nodes = try (0..<count).map { try FeedNode(index: $0, world: self) }
  }

  /// Schedules an event.
  func after(_ delay: Duration, _ run: @escaping () -> Void) {
    lastEvent += 1
    events.append((now + delay, lastEvent, run))
  }

  /// Advances the time until no event is left before the end, or a condition holds.
  @discardableResult
  func run(for duration: Duration, until isDone: () -> Bool = { false }) -> Bool {
    let end = now + duration
    while !isDone() {
      guard
        let next = events.indices.min(by: { (events[$0].at, events[$0].number) < (events[$1].at, events[$1].number) }),
        events[next].at <= end
      else {
        now = end
        return isDone()
      }
      let event = events.remove(at: next)
      now = max(now, event.at)
      event.run()
    }
    return true
  }

  func note(_ effect: FeedEffect, of node: Int) {
    if keepsTrace { trace.append("\(now.nanoseconds) \(node) \(effect)") }
  }

  // MARK: Messages

  /// The result of verifying each document, because all nodes get the same ones.
  private var known: [[UInt8]: SignedMessage?] = [:]

  /// The message, if the feed signed it.
  func checked(_ text: [UInt8], of feed: FeedID) -> SignedMessage? {
    if let message = known[text] { return message }
    let message = try? SignedMessage(text)
    let isGood = message.flatMap { message in (try? VerifyingKey(NodeID(feed))).map { message.isSigned(by: $0) } }
    known[text] = .some(isGood == true ? message : nil)
    return isGood == true ? message : nil
  }

  // MARK: Links

  func isLinked(_ first: Int, _ second: Int) -> Bool { links[Pair(first, second)] != nil }

  func link(_ first: Int, _ second: Int) {
    guard first != second, links[Pair(first, second)] == nil else { return }
    lastEvent += 1
    let number = lastEvent
    links[Pair(first, second)] = number
    for (own, other) in [(first, second), (second, first)] {
      nodes[own].linked(to: nodes[other], over: LinkID(number: number), binding: binding(first, second))
    }
  }

  private func binding(_ first: Int, _ second: Int) -> [UInt8] {
    let number = links[Pair(first, second)] ?? 0
    return (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }

  func unlink(_ first: Int, _ second: Int) {
    guard let number = links.removeValue(forKey: Pair(first, second)) else { return }
    nodes[first].unlinked(from: nodes[second], over: LinkID(number: number))
    nodes[second].unlinked(from: nodes[first], over: LinkID(number: number))
  }

  /// Delivers a message to the other end of a link: in order, unless the link breaks before it arrives.
  func carry(from sender: Int, over link: LinkID, _ deliver: @escaping (FeedNode) -> Void) {
    guard let pair = links.first(where: { $0.value == link.number })?.key else { return }
    let (number, receiver) = (link.number, pair.low == sender ? pair.high : pair.low)
    let earliest = nodes[sender].lastArrival[receiver] ?? now
    let arrival = max(earliest, now + .microseconds(random.number(100...20_000)))
    nodes[sender].lastArrival[receiver] = arrival
    after(arrival - now) { [self] in
      guard links[pair] == number else { return }
      deliver(nodes[receiver])
    }
  }
}
