import Primitives
import TestSupport
import Transfer

/// One node that loads small files with the engine from others that behave according to their conduct. The seed
/// determines everything.
final class BatchWorld {
  /// How a node answers.
  enum Conduct: CaseIterable {
    case honest
    /// Answers nothing.
    case silent
    /// Reports that others have their turns first, and answers nothing.
    case waits
    /// Sends a byte now and then, but never a whole file.
    case drips
    /// Denies having any file.
    case refuses, refusesSlowly
    /// Sends wrong bytes.
    case lies, liesSlowly
    /// Sends one right file per second.
    case givesSlowly
    /// Reports that it serves its maximum.
    case isBusy
    /// Its link breaks and does not return.
    case vanishes
    /// Its link breaks and returns, and it answers nothing.
    case flickers

    static var bad: [Conduct] { allCases.filter { $0 != .honest } }
  }

  private struct Peer {
    let conduct: Conduct
    /// The files that it has; nil for all.
    let holds: Set<Int>?
    var isLinked = false
    /// A request of an earlier link is not answered on a later one.
    var link = 0
    var busyUntil = Instant(nanoseconds: 0)
  }

  private struct Event {
    let at: Instant
    let number: Int
    let run: (BatchWorld) -> Void
  }

  var random: SeededRandom
  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  private(set) var engine = BatchEngine()
  private var peers: [NodeID: Peer] = [:]
  /// In reverse order: the next event is last.
  private var events: [Event] = []
  private var lastEvent = 0
  private var wakeAt: Instant?
  private var count = 0
  /// When each file was stored.
  private(set) var stored: [Int: Instant] = [:]
  private(set) var failed: [Int: BatchEngine.Failure] = [:]
  /// Requests for files, counting repetitions.
  private(set) var questions = 0

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  static func node(_ number: Int) -> NodeID {
    guard
      let node = NodeID(
        bytes: [UInt8](repeating: 0, count: NodeID.byteCount - 2) + [UInt8(number / 256), UInt8(number % 256)])
    else { preconditionFailure("a node ID has \(NodeID.byteCount) bytes") }
    return node
  }

  var isDone: Bool { stored.count + failed.count == count }

  // MARK: Operations for tests

  func add(_ files: Int) {
    count += files
    input { $0.add(files, at: $1) }
  }

  func join(_ number: Int, _ conduct: Conduct, holding files: Set<Int>? = nil) {
    peers[Self.node(number)] = Peer(conduct: conduct, holds: files)
    link(number)
    switch conduct {
    case .vanishes: after(.milliseconds(random.number(0...1_500))) { $0.unlink(number) }
    case .flickers: after(.milliseconds(random.number(0...500))) { $0.flicker(number) }
    default: break
    }
  }

  private func flicker(_ number: Int) {
    unlink(number)
    after(.milliseconds(random.number(50...300))) { world in
      world.link(number)
      world.after(.milliseconds(world.random.number(50...300))) { $0.flicker(number) }
    }
  }

  func link(_ number: Int) {
    let node = Self.node(number)
    peers[node]?.isLinked = true
    peers[node]?.link += 1
    peers[node]?.busyUntil = now
    input { $0.linked(node, at: $1) }
  }

  func unlink(_ number: Int) {
    let node = Self.node(number)
    peers[node]?.isLinked = false
    input { $0.lost(node, at: $1) }
  }

  func after(_ delay: Duration, _ run: @escaping (BatchWorld) -> Void) {
    lastEvent += 1
    let event = Event(at: now + delay, number: lastEvent, run: run)
    let place = events.partitioningIndex { ($0.at, $0.number) < (event.at, event.number) }
    events.insert(event, at: place)
  }

  /// Advances the time until everything has ended, or `duration` has passed.
  func run(for duration: Duration) {
    let end = now + duration
    while !isDone, let event = events.last, event.at <= end {
      events.removeLast()
      now = max(now, event.at)
      event.run(self)
    }
    if !isDone { now = end }
  }

  // MARK: The engine

  private func input(_ body: (inout BatchEngine, Instant) -> Void) {
    body(&engine, now)
    drain()
  }

  private func drain() {
    while let effect = engine.nextEffect() {
      switch effect {
      case .request(let node, let files):
        questions += files.count
        answer(files, of: node)
      case .close(let node):
        peers[node]?.isLinked = false
      case .ended(let file, let failure):
        precondition(failed[file] == nil && stored[file] == nil, "file \(file) ended twice")
        failed[file] = failure
      }
    }
    // Like a loop, which handles all input that has arrived meanwhile.
    guard let due = engine.wakeAt.map({ max($0, now + .milliseconds(1)) }), wakeAt.map({ due < $0 }) ?? true else {
      return
    }
    wakeAt = due
    after(due - now) { world in
      guard world.wakeAt == due else { return }
      world.wakeAt = nil
      world.input { $0.wake(at: $1) }
    }
  }

  // MARK: The other nodes

  private func answer(_ files: [Int], of node: NodeID) {
    guard let peer = peers[node], peer.isLinked else { return }
    let latency = Duration.milliseconds(random.number(1...30))
    switch peer.conduct {
    case .silent, .vanishes, .flickers: break
    case .waits: sign(of: node, peer.link, every: .seconds(5)) { $0.waits(for: node, at: $1) }
    case .drips: sign(of: node, peer.link, every: .milliseconds(300)) { $0.heard(node, at: $1) }
    case .isBusy: after(latency) { world in world.deliver(node, peer.link) { $0.busy(node, at: $1) } }
    default:
      for file in files {
        let start = max(now + latency, peers[node]?.busyUntil ?? now)
        let ready = start + time(of: peer.conduct)
        peers[node]?.busyUntil = ready
        after(ready - now) { $0.give(file, node, peer.link) }
      }
    }
  }

  private func time(of conduct: Conduct) -> Duration {
    switch conduct {
    case .refusesSlowly, .liesSlowly: .milliseconds(random.number(700...1_100))
    case .givesSlowly: .seconds(1)
    default: .microseconds(random.number(100...3_000))
    }
  }

  private func sign(
    of node: NodeID, _ link: Int, every period: Duration, _ body: @escaping (inout BatchEngine, Instant) -> Void
  ) {
    after(period) { world in
      guard world.peers[node]?.link == link, world.peers[node]?.isLinked == true, !world.isDone else { return }
      world.input(body)
      world.sign(of: node, link, every: period, body)
    }
  }

  private func deliver(_ node: NodeID, _ link: Int, _ body: (inout BatchEngine, Instant) -> Void) {
    guard peers[node]?.link == link, peers[node]?.isLinked == true else { return }
    input(body)
  }

  private func give(_ file: Int, _ node: NodeID, _ link: Int) {
    guard let peer = peers[node], peer.link == link, peer.isLinked else { return }
    let isRefusal = [.refuses, .refusesSlowly].contains(peer.conduct) || peer.holds.map { !$0.contains(file) } ?? false
    guard !isRefusal else { return input { _ = $0.answered(file, by: node, .hasNot, at: $1) } }
    var isWanted = false
    input { isWanted = $0.received(file, from: node, at: $1) }
    guard isWanted else { return }
    let isLie = [.lies, .liesSlowly].contains(peer.conduct)
    after(.microseconds(random.number(500...5_000))) { world in
      var counts = false
      world.input { counts = $0.answered(file, by: node, isLie ? .misbehaved : .gave, at: $1) }
      guard counts, !isLie else { return }
      precondition(world.stored[file] == nil && world.failed[file] == nil, "file \(file) ended twice")
      world.stored[file] = world.now
    }
  }
}

extension Array {
  /// The first index whose element matches, if all later ones match as well.
  fileprivate func partitioningIndex(_ fits: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if fits(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
