package import Primitives

/// Sizes and counts that bound what a peer may send, each with its reason.
package enum WireLimits {
  /// Bytes in the largest frame: a frame is read completely before it is decoded.
  package static let frame = 64 << 10
  /// Bytes in the largest frame on a stream whose opener has not proved membership: a hello with every proof fits.
  package static let helloFrame = 32 << 10
  /// Bytes in a node's label.
  package static let label = 128
  /// Bytes in the name and version of a node's software.
  package static let software = 64
  /// Bytes in a reason for people.
  package static let reason = 512
  /// Channels for which a node may prove membership to one peer.
  package static let channels = 256
  /// Most addresses of a node.
  package static let addresses = 16
  /// Most candidates in a message.
  package static let candidates = 16
  /// Most relays of a node: two bootstrap nodes, and two members of the channel.
  package static let relays = 4
  /// Bytes in the signed part of a presence record. The whole record, with the part's length and the signature, has at
  /// most 1,024 bytes, so that 20,000 of them fit into 20 MB.
  package static let presenceBody = 1_024 - 2 - signature
  /// Most presence records in one message; more are sent in several, see `ControlMessage.presence(batching:)`.
  package static let records = 256
  /// Bytes in a signature (RFC 8032, section 5.1.6).
  package static let signature = 64
}

/// Why a peer's bytes were rejected. Each error ends the link: a peer that violates the protocol cannot be understood
/// again.
package enum WireError: Error, Hashable, Sendable {
  /// A frame is longer than its limit.
  case frameTooLong
  /// A frame's type does not belong to this stream.
  case unknownType(UInt8)
  /// A frame's content does not match its type.
  case malformed(ByteReaderError)
}
