import Primitives
import Process

/// Reads a subfeed in order, piece by piece.
struct SubfeedReader {
  private(set) var position: UInt64
  private var client: FeedClient
  private let subfeed: SubfeedKey
  private let isSigned: Bool
  private let isLocal: Bool
  /// Messages per request; an answer has fewer if it would be too large.
  private var most: UInt64 = 1_000

  /// Of one wait; the daemon ends it a little later at the worst.
  private static let longestWait = Duration.seconds(20)

  init(_ client: FeedClient, _ subfeed: SubfeedKey, from position: UInt64, isSigned: Bool, isLocal: Bool) {
    self.client = client
    self.subfeed = subfeed
    self.position = position
    self.isSigned = isSigned
    self.isLocal = isLocal
  }

  /// The next messages before `end`; empty if none arrives within `wait`.
  mutating func next(before end: UInt64 = .max, wait: Duration) throws(KacheryError) -> [JSONValue] {
    while position < end {
      do throws(KacheryError) {
        let messages = try client.messages(
          of: subfeed, from: position, most: min(most, end - position), wait: wait, isSigned: isSigned, isLocal: isLocal
        )
        position += UInt64(messages.count)
        return messages
      } catch  where error.code == .tooLarge && most > 1 {
        most /= 10
      }
    }
    return []
  }

  /// Passes on existing messages, then new ones, until `receive` returns false. Waits for a daemon that is away.
  mutating func follow(_ receive: ([JSONValue]) -> Bool) throws(KacheryError) {
    var isRefused = false
    while true {
      do throws(KacheryError) {
        let messages = try next(wait: Self.longestWait)
        isRefused = false
        guard messages.isEmpty || receive(messages) else { return }
      } catch  where Self.isAway(error) || (error.code == .forbidden && !isRefused) {
        // The daemon's token changes every few minutes: refused once, it is read again.
        isRefused = error.code == .forbidden
        client = try Self.reconnected()
      }
    }
  }

  /// Whether the daemon has stopped, for a while perhaps.
  private static func isAway(_ error: KacheryError) -> Bool { [.disconnected, .noDaemon].contains(error.code) }

  private static func reconnected() throws(KacheryError) -> FeedClient {
    var isToldOf = false
    while true {
      do throws(KacheryError) { return try FeedClient.require() } catch  where isAway(error) {
        if !isToldOf { Console.note("The daemon does not answer; waiting for it.") }
        isToldOf = true
        SteadyClock.sleep(for: .seconds(1))
      }
    }
  }
}
