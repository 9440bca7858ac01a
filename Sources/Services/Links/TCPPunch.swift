import EventLoop
import Primitives
import Wire

/// Carries out one round over TCP (`PunchAttempt` decides). Bound to the loop.
final class TCPPunch: PendingDial {
  /// The connection on which both ends have agreed, and what has arrived on it.
  typealias Outcome = Result<(TCPConnection, received: [UInt8]), KacheryError>

  private let loop: EventLoop
  private let port: UInt16
  private var attempt: PunchAttempt
  private let kept: KeptDials
  private var dials: [Int: (dial: SingleDial, endpoint: Endpoint)] = [:]
  private var connections: [Int: TCPConnection] = [:]
  private var timer: Timer?
  private var done: ((Outcome) -> Void)?
  /// Whether steps wait: until the caller has the object, and while one is being carried out.
  private var isCarryingOut = true

  /// Starts a round whose dials leave from `port`. `done` is called once, on the loop, unless `cancel` is called first;
  /// never before this returns.
  ///
  /// - Parameter kept: the dials of earlier rounds.
  init(
    _ round: PunchRound, own: NodeID, from port: UInt16, kept: KeptDials, loop: EventLoop,
    done: @escaping (Outcome) -> Void
  ) {
    self.loop = loop
    self.port = port
    self.kept = kept
    self.done = done
    attempt = PunchAttempt(round, own: own, random: SystemRandomNumberGenerator(), at: loop.now)
    timer = loop.after(.zero) { [weak self] in
      self?.isCarryingOut = false
      self?.carryOut()
    }
  }

  var isOver: Bool { done == nil }

  /// Takes a connection that the other node has opened, if its preamble is of this round.
  func claim(_ path: TCPPath) -> Bool {
    let received = path.received
    guard !isOver, attempt.claims(received), let connection = path.take() else { return false }
    follow(connection, attempt.accepted(received, at: loop.now))
    return true
  }

  private func input(_ body: (inout PunchAttempt, Instant) -> Void) {
    guard !isOver else { return }
    body(&attempt, loop.now)
    carryOut()
  }

  private func carryOut() {
    guard !isCarryingOut else { return }
    isCarryingOut = true
    while let step = attempt.nextStep() { perform(step) }
    isCarryingOut = false
    timer?.cancel()
    timer = attempt.wakeAt.map { at in
      loop.after(at - loop.now) { [weak self] in self?.input { $0.wake(at: $1) } }
    }
  }

  private func perform(_ step: PunchAttempt.Step) {
    switch step {
    case .dial(let number, let endpoint): dial(number, endpoint)
    case .abandon(let number): dials.removeValue(forKey: number)?.dial.abort()
    case .keep(let number):
      if let (dial, endpoint) = dials.removeValue(forKey: number) { kept.keep(dial, of: endpoint) }
    case .send(let number, let bytes): connections[number]?.write(bytes)
    case .reset(let number): connections.removeValue(forKey: number)?.abort()
    case .adopt(let number, let received):
      guard let connection = connections.removeValue(forKey: number) else { return }
      connection.pauseReading()
      (connection.onData, connection.onEnd) = (nil, nil)
      end(.success((connection, received)))
    case .fail(let reason): end(.failure(KacheryError(.disconnected, reason)))
    }
  }

  private func dial(_ number: Int, _ endpoint: Endpoint) {
    if let connection = kept.take(endpoint) { return opened(connection, number) }
    let dial = SingleDial(on: loop, to: endpoint, from: port) { [weak self] result in
      guard let self else { return (try? result.get())?.abort() ?? () }
      dials[number] = nil
      switch result {
      case .failure(let failure): input { $0.failed(number, failure, at: $1) }
      case .success(let connection): opened(connection, number)
      }
    }
    dials[number] = (dial, endpoint)
  }

  private func opened(_ connection: TCPConnection, _ number: Int) {
    attempt.opened(number, at: loop.now)
    follow(connection, number)
  }

  private func follow(_ connection: TCPConnection, _ number: Int) {
    connections[number] = connection
    connection.onData = { [weak self] bytes in self?.input { $0.received(bytes, on: number, at: $1) } }
    connection.onEnd = { [weak self] _ in
      self?.connections[number] = nil
      self?.input { $0.ended(number, at: $1) }
    }
    connection.resumeReading()
    carryOut()
  }

  private func end(_ outcome: Outcome) {
    guard let tell = done else { return (try? outcome.get())?.0.abort() ?? () }
    done = nil
    tell(outcome)
  }

  func cancel() {
    done = nil
    attempt.cancel()
    carryOut()
    timer?.cancel()
    timer = nil
  }
}
