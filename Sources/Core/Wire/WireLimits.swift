package import Primitives

/// Sizes and counts that bound whatever a peer may send, each with its reason.
package enum WireLimits {
  /// Bytes in the largest frame: a frame is read whole before it is decoded.
  package static let frame = 64 << 10
  /// Bytes in the largest frame of a stream whose opener has not proved membership: a hello with every proof fits.
  package static let helloFrame = 32 << 10
  /// Bytes in a node's label.
  package static let label = 128
  /// Bytes in the name and version of a node's software.
  package static let software = 64
  /// Bytes in a sentence for a person.
  package static let reason = 512
  /// Channels on which a node may prove membership to one peer.
  package static let channels = 256
  /// Addresses under which a node may be reached.
  package static let addresses = 16
  /// Presence records in one message; more are sent in several, see `ControlMessage.presence(batching:)`.
  package static let records = 256
  /// Bytes in a signature (RFC 8032, section 5.1.6).
  package static let signature = 64
  /// Bytes in a proof of membership: an HMAC-SHA-256.
  package static let proof = 32
}

/// Why a peer's bytes were refused. Each ends the link: a peer that speaks another language cannot be understood again.
package enum WireError: Error, Hashable, Sendable {
  /// A frame is longer than its limit.
  case frameTooLong
  /// A frame's type is none of this stream's.
  case unknownType(UInt8)
  /// A frame does not hold what its type says.
  case malformed(ByteReaderError)
}
