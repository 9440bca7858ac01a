import Links
import Primitives
import Transfer

/// Passes on the bytes of all relayed streams and joined lanes in turns: one block for each pair of nodes, so that more of
/// them between two nodes do not get more. Keeps to the rate that the owner allows. Bound to the loop.
final class RelayTurns {
  private let clock: RelayClock
  private let metrics: RelayMetrics
  /// The pairs with flows that may have something to pass on, in the order of their turns.
  private var order = Queue<NodePair>()
  private var ready: [NodePair: [any RelayFlow]] = [:]
  /// Flows whose link takes nothing now, in the order in which they go on.
  private var blocked: [LinkID: [any RelayFlow]] = [:]
  /// Flows with connections of their own: those that were added since the last round, and those that have to wait for the
  /// next because their pair has had its turn in this one.
  private var added: [any RelayFlow] = []
  private var delayed: [any RelayFlow] = []
  private var served: Set<NodePair> = []
  private var isRoundDue = false
  private let rates: [RelayRate]
  private var isWakeDue = false
  private var isAdvancing = false

  /// - Parameter rates: all of them hold; each may be shared with others.
  init(rates: [RelayRate], clock: RelayClock, metrics: RelayMetrics) {
    self.rates = rates
    self.clock = clock
    self.metrics = metrics
  }

  /// The flow may have something to pass on.
  func add(_ flow: any RelayFlow) {
    enqueue(flow)
    advance()
  }

  /// The flow has bulk data to pass on. It gets its turn when all that one read brought has been reported: passing on
  /// each record by itself costs the relay a quarter more.
  func addBulk(_ flow: any RelayFlow) {
    enqueue(flow)
    startRound()
  }

  /// The flow, which has a connection of its own, may have something to pass on. It gets its turn after the loop has
  /// reported all others: the kernel has more for it as soon as some has passed, and would never let them in between.
  func addToRound(_ flow: any RelayFlow) {
    added.append(flow)
    startRound()
  }

  /// A stream of this link takes bytes again. The link then has room for its other streams as well, so all flows that wait
  /// for it are tried, in their order.
  func unblock(_ link: LinkID?) {
    guard let link else { return }
    for flow in blocked.removeValue(forKey: link) ?? [] {
      flow.isInLine = false
      enqueue(flow)
    }
    advance()
  }

  /// Forgets the flow.
  func remove(_ flow: any RelayFlow) {
    added.removeAll { $0 === flow }
    guard flow.isInLine else { return }
    flow.isInLine = false
    ready[flow.pair]?.removeAll { $0 === flow }
    delayed.removeAll { $0 === flow }
    guard let link = flow.sinkLink else { return }
    blocked[link]?.removeAll { $0 === flow }
    if blocked[link]?.isEmpty == true { blocked[link] = nil }
  }

  private func enqueue(_ flow: any RelayFlow) {
    guard flow.hasWork, !flow.isInLine else { return }
    flow.isInLine = true
    if ready[flow.pair] == nil { order.append(flow.pair) }
    ready[flow.pair, default: []].append(flow)
  }

  private func advance() {
    // Passing bytes on may report more work: the loop below takes it up.
    guard !isAdvancing else { return }
    isAdvancing = true
    defer { isAdvancing = false }
    while !isPaused, let pair = order.popFirst() {
      guard let flow = nextFlow(of: pair) else { continue }
      passTurn(of: flow)
      enqueue(flow)
      if ready[pair]?.isEmpty == false { order.append(pair) } else { ready[pair] = nil }
    }
    if !delayed.isEmpty { startRound() }
  }

  /// Passes on one turn's bytes, or as many as the receiver takes while no other pair waits.
  private func passTurn(of flow: any RelayFlow) {
    // One splice costs the relay less than one block of a stream.
    var left = flow.sinkLink == nil && !isLimited ? JoinedLane.turn : RelayDirection.turn
    repeat {
      let isAlone = order.isEmpty && !isLimited
      let count = flow.pass(upTo: isAlone ? .max : left)
      spend(count)
      left = isAlone ? RelayDirection.turn : left - count
    } while left > 0 && flow.canPass
  }

  /// Removes the pair's next flow that can pass something on; those before it are set aside until they can.
  private func nextFlow(of pair: NodePair) -> (any RelayFlow)? {
    while let flow = ready[pair]?.first {
      ready[pair]?.removeFirst()
      flow.isInLine = false
      if flow.canPass, flow.sinkLink != nil || served.insert(pair).inserted { return flow }
      guard flow.hasWork else { continue }
      flow.isInLine = true
      if let link = flow.sinkLink { blocked[link, default: []].append(flow) } else { delayed.append(flow) }
    }
    ready[pair] = nil
    return nil
  }

  // MARK: Rounds

  private func startRound() {
    guard !isRoundDue else { return }
    isRoundDue = true
    clock.soon { [weak self] in self?.runRound() }
  }

  private func runRound() {
    isRoundDue = false
    served = []
    let waiting = delayed
    delayed = []
    for flow in waiting {
      flow.isInLine = false
      enqueue(flow)
    }
    let new = added
    added = []
    for flow in new { enqueue(flow) }
    advance()
    for flow in new where flow.isInLine { flow.rest() }
  }

  // MARK: The rate

  private var isLimited: Bool { rates.contains { $0.isLimited } }

  private var isPaused: Bool {
    let now = clock.now()
    guard let pause = rates.compactMap({ $0.pause(at: now) }).max() else { return false }
    guard !isWakeDue, !order.isEmpty else { return true }
    isWakeDue = true
    clock.after(pause) { [weak self] in
      self?.isWakeDue = false
      self?.advance()
    }
    return true
  }

  private func spend(_ count: Int) {
    metrics.bytes.add(count)
    for rate in rates { rate.spend(count, at: clock.now()) }
  }
}

/// A rate at which bytes are relayed. Bound to the loop.
final class RelayRate {
  private let limit: () -> Double?
  private var bucket: TokenBucket?
  /// Until when nothing more may pass.
  private var pausedUntil: Instant?

  /// - Parameter limit: in bytes per second; nil for none.
  init(_ limit: @escaping () -> Double?) { self.limit = limit }

  var isLimited: Bool { limit() != nil }

  /// How long nothing more may pass; nil if it may.
  func pause(at now: Instant) -> Duration? {
    guard let pausedUntil, isLimited, pausedUntil > now else { return nil }
    return pausedUntil - now
  }

  func spend(_ count: Int, at now: Instant) {
    guard let rate = limit() else {
      (bucket, pausedUntil) = (nil, nil)
      return
    }
    var bucket = bucket ?? TokenBucket(rate: rate, at: now)
    pausedUntil = now + bucket.delay(for: count, rate: rate, at: now)
    self.bucket = bucket
  }
}
