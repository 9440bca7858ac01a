package import Crypto

/// The outcome of storing messages from another node.
package struct MessageAdmission: Sendable {
  /// Messages of the subfeed that are now stored.
  package var count: UInt64
  /// The messages that were new.
  package var kept: [SignedMessage] = []
  /// The position of a message that contradicts a stored one: the writer signed two messages for the same position.
  package var fork: UInt64?
  /// Whether the subfeed does not begin as the statement says, so that nothing was stored.
  package var isUnproven = false
}
