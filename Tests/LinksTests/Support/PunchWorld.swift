import EventLoop
import Primitives
import TestSupport
import Wire

@testable import Links

/// Two nodes in the same round, and a network that delays, refuses and loses dials in a seeded order. A value.
///
/// An end is named by whether it is the controlling one. A wire is a connection between the two.
struct PunchWorld {
  private enum Event {
    case wake(Bool)
    /// A dial of this end, to this candidate, has its result.
    case dialed(Bool, Int, Int)
    case arrived(Bool, wire: Int, [UInt8])
    case ended(Bool, wire: Int)
  }

  /// The number of a wire at each end; nil if that end has not got it, or has closed it.
  private struct Cable {
    var numbers: [Bool: Int] = [:]
    /// What has arrived at an end that has accepted it, before a round takes it.
    var unclaimed: [UInt8] = []
    let acceptor: Bool
  }

  /// Whether the network lets at least one dial through, so that the round must succeed.
  let isKind: Bool
  private(set) var attempts: [Bool: PunchAttempt] = [:]
  /// The wires that each end uses.
  private(set) var adopted: [Bool: [Int]] = [:]
  private(set) var dialCount = 0

  private var random: SeededRandom
  private var now = Instant(nanoseconds: 1_000_000_000)
  private var queue: [(at: Instant, order: Int, event: Event)] = []
  private var order = 0
  private var wires: [Cable] = []
  private let lateness: Duration

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    isKind = Bool.random(using: &random)
    lateness = .milliseconds(Int.random(in: 0...300, using: &random))
    add(.wake(true), in: .zero)
    add(.wake(false), in: lateness)
  }

  private static func round(isControlling: Bool) -> PunchRound {
    PunchRound(
      peer: .filled(with: isControlling ? 2 : 1), session: 5, number: 1, isControlling: isControlling,
      key: [UInt8](repeating: 1, count: 32),
      candidates: (1...4).compactMap { Endpoint(host: "192.0.2.1", port: $0) })
  }

  private mutating func add(_ event: Event, in delay: Duration) {
    order += 1
    queue.append((now + delay, order, event))
  }

  /// Runs until nothing is left to happen.
  mutating func run() {
    for _ in 0..<20_000 {
      guard let next = queue.min(by: { ($0.at, $0.order) < ($1.at, $1.order) }) else { return }
      queue.removeAll { $0.order == next.order }
      now = max(now, next.at)
      handle(next.event)
    }
  }

  private mutating func handle(_ event: Event) {
    switch event {
    case .wake(let end):
      if attempts[end] == nil {
        attempts[end] = PunchAttempt(
          Self.round(isControlling: end), own: .filled(with: end ? 1 : 2),
          random: SeededRandom(seed: end ? 1 : 2), at: now)
        for wire in wires.indices where wires[wire].acceptor == end { claim(wire) }
      } else {
        attempts[end]?.wake(at: now)
      }
      carryOut(end)
    case .dialed(let end, let dial, let candidate): dialed(end, dial, candidate)
    case .arrived(let end, let wire, let bytes):
      if let number = wires[wire].numbers[end] {
        attempts[end]?.received(bytes, on: number, at: now)
        carryOut(end)
      } else if wires[wire].acceptor == end {
        wires[wire].unclaimed += bytes
        claim(wire)
      }
    case .ended(let end, let wire):
      guard let number = wires[wire].numbers.removeValue(forKey: end) else { return }
      attempts[end]?.ended(number, at: now)
      carryOut(end)
    }
  }

  /// The first candidate leads to the other node once both dial, or from the start; the others refuse, or answer nothing.
  private mutating func dialed(_ end: Bool, _ dial: Int, _ candidate: Int) {
    let isLetThrough = candidate == 1 && (isKind || Int.random(in: 0..<4, using: &random) == 0)
    guard isLetThrough else {
      let failure: DialFailure = candidate % 2 == 0 ? .refused : .unreachable("lost")
      attempts[end]?.failed(dial, candidate == 1 ? .refused : failure, at: now)
      return carryOut(end)
    }
    // As when the other node's dial has come in first.
    if wires.contains(where: { $0.numbers.count == 2 }) {
      attempts[end]?.failed(dial, .taken, at: now)
      return carryOut(end)
    }
    wires.append(Cable(numbers: [end: dial], acceptor: !end))
    attempts[end]?.opened(dial, at: now)
    carryOut(end)
  }

  private mutating func claim(_ wire: Int) {
    let end = wires[wire].acceptor
    let bytes = wires[wire].unclaimed
    guard wires[wire].numbers[end] == nil, attempts[end]?.claims(bytes) == true,
      let number = attempts[end]?.accepted(bytes, at: now)
    else { return }
    wires[wire].numbers[end] = number
    carryOut(end)
  }

  private mutating func carryOut(_ end: Bool) {
    while let step = attempts[end]?.nextStep() {
      switch step {
      case .dial(let number, let endpoint):
        dialCount += 1
        add(
          .dialed(end, number, Int(endpoint.port)), in: .milliseconds(Int.random(in: 1...120, using: &random)))
      case .abandon, .keep, .fail: break
      case .send(let number, let bytes):
        guard let wire = wire(end, number) else { break }
        // In order on a wire: each takes the same time.
        add(.arrived(!end, wire: wire, bytes), in: .milliseconds(25))
      case .reset(let number):
        guard let wire = wire(end, number) else { break }
        wires[wire].numbers[end] = nil
        add(.ended(!end, wire: wire), in: .milliseconds(25))
      case .adopt(let number, _): if let wire = wire(end, number) { adopted[end, default: []].append(wire) }
      }
    }
    if let next = attempts[end]?.wakeAt { add(.wake(end), in: next - now) }
  }

  private func wire(_ end: Bool, _ number: Int) -> Int? { wires.firstIndex { $0.numbers[end] == number } }
}
