package import Crypto

/// What became of messages that another node gave.
package struct MessageAdmission: Sendable {
  /// Messages of the subfeed that are here now.
  package var count: UInt64
  /// The messages that were new.
  package var kept: [SignedMessage] = []
  /// The place of a message that contradicts what is here: somebody signed two messages for one place.
  package var fork: UInt64?
}
