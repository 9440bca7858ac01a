import Primitives
import Settings

/// What service managers and the daemon's owner ask about the daemon itself.
extension Node {
  var shownSettings: JSONValue { settings.json }

  func isHealthy() async -> Bool {
    await withCheckedContinuation { continuation in
      maintenance.isDiskAnswering { continuation.resume(returning: $0) }
    }
  }
}
