import ContentStore
import EventLoop
import Primitives
import Process
import Synchronization
import Threads

/// The verification of stored files; at most one runs at a time. It may take hours, so it has its own thread: the
/// pool's few threads are for short work.
final class StoreCheck: Sendable {
  typealias Messages = AsyncThrowingStream<JSONValue, any Error>

  /// Messages that may wait for the client; beyond this, the check waits.
  private static let maximumWaiting = 1_000
  private static let progressPeriod: Duration = .milliseconds(200)

  private let isRunning = Atomic<Bool>(false)

  /// Starts a check of these files, or of all.
  ///
  /// - Parameter cancellation: ends it early, as dropping the stream does.
  /// - Returns: its messages, as in `/v1/store/verify`; the stream fails with `alreadyRunning` if a check is running.
  func begin(
    _ store: ContentStore, only: Set<ContentHash>?, loop: EventLoop, cancellation: CancellationToken
  ) -> Messages {
    let (messages, continuation) = Messages.makeStream(bufferingPolicy: .bufferingOldest(Self.maximumWaiting))
    guard !isRunning.exchange(true, ordering: .acquiring) else {
      continuation.finish(throwing: Self.refusal)
      return messages
    }
    let clientLeft = CancellationToken()
    continuation.onTermination = { _ in clientLeft.cancel() }
    do throws(KacheryError) {
      try SystemThread.run(named: "verify") {
        let outcome = Result { () throws(KacheryError) in
          try Self.run(store, only, loop) { message in
            Self.give(message, to: continuation) { !clientLeft.isCancelled && !cancellation.isCancelled }
          }
        }
        // Before the client sees the end, so that it can start the next check.
        self.isRunning.store(false, ordering: .releasing)
        Self.end(outcome, continuation) { !clientLeft.isCancelled && !cancellation.isCancelled }
      }
    } catch {
      isRunning.store(false, ordering: .releasing)
      continuation.finish(throwing: error)
    }
    return messages
  }

  private static func run(
    _ store: ContentStore, _ only: Set<ContentHash>?, _ loop: EventLoop, _ give: (JSONValue) -> Bool
  ) throws(KacheryError) -> VerifyReport {
    var told = loop.now
    var shouldContinue = true
    return try store.verify(only: only) { (event) throws(KacheryError) in
      let isDue = !event.isProgress || loop.now - told >= progressPeriod
      guard shouldContinue, isDue else { return shouldContinue }
      if event.isProgress { told = loop.now }
      shouldContinue = give(event.json)
      return shouldContinue
    }
  }

  /// Sends a message once there is room for it; false if the client has gone.
  private static func give(
    _ message: JSONValue, to continuation: Messages.Continuation, while shouldContinue: () -> Bool
  ) -> Bool {
    while shouldContinue() {
      guard case .dropped = continuation.yield(message) else { return true }
      SteadyClock.sleep(for: .milliseconds(20))
    }
    return false
  }

  private static func end(
    _ outcome: Result<VerifyReport, KacheryError>, _ continuation: Messages.Continuation,
    while shouldContinue: () -> Bool
  ) {
    switch outcome {
    case .success(let report):
      let isComplete = give(report.json, to: continuation, while: shouldContinue)
      continuation.finish(
        throwing: isComplete ? nil : KacheryError(.cancelled, "Verification was cancelled. Run it again to start over.")
      )
    case .failure(let error): continuation.finish(throwing: error)
    }
  }

  private static var refusal: KacheryError {
    KacheryError(.alreadyRunning, "A check of the stored files is already running; wait for it to finish.")
  }
}
