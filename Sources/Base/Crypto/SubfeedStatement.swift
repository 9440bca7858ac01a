package import Primitives

/// The signature by which a feed's writer states, once for each subfeed, with which message the subfeed begins.
///
/// A message names neither its feed nor its subfeed. Each one names the signature of the one before it, so this statement
/// binds all of them: without it, messages of one subfeed could be passed on as another's.
package struct SubfeedStatement: Hashable, Sendable {
  package let signature: Signature

  /// A statement that was stored or received. It holds only if `holds` says so.
  package init(_ signature: Signature) { self.signature = signature }

  /// States that the subfeed begins with the message that has this signature.
  package init(of key: SubfeedKey, beginningWith first: Signature, by writer: SigningKey) {
    guard let signature = Signature(bytes: writer.sign(Self.text(key, first))) else {
      preconditionFailure("an Ed25519 signature has 64 bytes")
    }
    self.signature = signature
  }

  /// Whether the feed's writer has stated that the subfeed begins with the message that has this signature.
  package func holds(for key: SubfeedKey, beginningWith first: Signature) -> Bool {
    NodeID(key.feed).verify(signature: signature.bytes, of: Self.text(key, first))
  }

  /// The signed bytes. No message is signed over them: those begin with a brace.
  private static func text(_ key: SubfeedKey, _ first: Signature) -> [UInt8] {
    Array("kachery subfeed 1\0".utf8) + key.feed.bytes + key.subfeed.bytes + first.bytes
  }
}
