package import APIModel
package import Primitives

/// What the local API needs to explain why a file cannot be loaded, and what the network allows.
package protocol LocalExplaining: Actor {
  /// Looks for the file that the URI names, on this node and on others, and explains what prevents loading it.
  func explain(_ uri: String) async throws(KacheryError) -> Diagnosis

  /// Looks at this node, its disk and its network, and dials its bootstrap nodes.
  func checkUp() async -> Checkup

  /// Every setting with its value, and where that comes from.
  var shownSettings: JSONValue { get }

  /// Whether the disk answers. That the daemon's event loop does is shown by any answer.
  func isHealthy() async -> Bool

  /// Whether this node serves files: its store is open and listed, it listens, and it is not about to stop.
  var isReady: Bool { get }

  /// How this node meets other nodes, in all channels or in one.
  ///
  /// - Parameter refreshes: whether the channel's document is read first.
  func meeting(in channel: ByteString?, refreshes: Bool) async throws(KacheryError) -> MeetingState
}
