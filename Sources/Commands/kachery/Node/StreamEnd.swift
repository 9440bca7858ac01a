import APIModel
import Primitives

/// How a stream of the daemon's messages about many files ended.
struct StreamEnd {
  private var isFinished = false
  private var problem: KacheryError?

  /// Takes a message that is about no single file: the last one, or an error.
  ///
  /// - Returns: false, because no message follows.
  mutating func receive(_ message: JSONValue) -> Bool {
    if message["type"] == "finished" {
      isFinished = true
    } else {
      do throws(KacheryError) { _ = try LoadEvent(json: message) } catch { problem = error }
    }
    return false
  }

  /// Throws the error that the daemon has reported, or `disconnected` if the last message has not arrived.
  func check() throws(KacheryError) {
    if let problem { throw problem }
    guard isFinished else {
      throw KacheryError(.disconnected, "The daemon went away; run the same command again for the remaining files.")
    }
  }
}
