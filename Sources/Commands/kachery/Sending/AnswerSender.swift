import Invitations
import Primitives
import Process
import Synchronization
import Threads

/// Tells the sender how far this receiver is, from a thread of its own: an answer may take a while on a slow path.
final class AnswerSender: Sendable {
  private static let period: Duration = .seconds(1)
  private static let timeout: Duration = .seconds(5)
  /// How often the last message is tried: the sender admits a receiver only once it has seen it.
  private static let attempts = 10

  private struct State {
    var loaded: UInt64 = 0
    var sent: UInt64?
    var hasEnded = false
  }

  private let feeds: FeedClient
  private let answers: SubfeedKey
  private let node: NodeID
  private let label = CurrentProcess.hostName
  private let state = Mutex(State())

  init(_ feeds: FeedClient, _ answers: SubfeedKey, _ node: NodeID) {
    self.feeds = feeds
    self.answers = answers
    self.node = node
  }

  /// Starts to send what `report` says.
  func begin() {
    try? SystemThread.run(named: "answers") { [self] in
      while true {
        let (loaded, isNew, hasEnded) = state.withLock { ($0.loaded, $0.sent != $0.loaded, $0.hasEnded) }
        guard !hasEnded else { return }
        if isNew, send(loaded, isDone: false) { state.withLock { $0.sent = loaded } }
        SteadyClock.sleep(for: Self.period)
      }
    }
  }

  /// Notes how many bytes have arrived.
  func report(loaded: UInt64) { state.withLock { $0.loaded = max($0.loaded, loaded) } }

  /// Tells the sender that everything is here; returns whether it knows.
  func finish() -> Bool {
    let loaded = state.withLock { state in
      state.hasEnded = true
      return state.loaded
    }
    for attempt in 1...Self.attempts {
      if send(loaded, isDone: true) { return true }
      if attempt < Self.attempts { SteadyClock.sleep(for: .milliseconds(500)) }
    }
    return false
  }

  private func send(_ loaded: UInt64, isDone: Bool) -> Bool {
    let answer = TransferAnswer(receiver: node, label: label, loaded: loaded, isDone: isDone)
    return (try? feeds.submit(answer.json, to: answers, timeout: Self.timeout)) != nil
  }
}
