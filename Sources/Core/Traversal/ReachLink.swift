import Crypto
package import Primitives

/// A relayed link to a node, on which the two agree about connecting directly.
package struct ReachLink: Hashable, Sendable {
  package let id: LinkID
  /// The key of the preambles, if the messages of the session travel on this link.
  let key: [UInt8]
  /// Where the relay, or this node itself, has seen the other node.
  let seen: [Endpoint]

  /// - Parameters:
  ///   - binding: bytes that only the two ends of the link know.
  ///   - seen: where the relay, or this node itself, has seen the other node.
  package init(id: LinkID, binding: [UInt8], seen: [Endpoint]) {
    self.id = id
    self.seen = seen
    key = HMACSHA256.authenticate(Array("kachery punch".utf8), key: binding)
  }
}
