import Crypto
package import Primitives

/// A relayed link to a node, on which the two agree about connecting directly.
package struct ReachLink: Hashable, Sendable {
  package let id: LinkID
  /// The key of the preambles, if the messages of the session travel on this link.
  let key: [UInt8]
  /// Where the relay, or this node itself, has seen the other node.
  let seen: [Endpoint]
  /// How long a message and its answer take; nil if that is not known yet.
  let roundTrip: Duration?
  /// Whether the two nodes send by QUIC rather than by TCP where they can.
  let prefersQUIC: Bool
  /// Whether so much depends on a direct link that ports may be guessed for it.
  let carriesWork: Bool

  /// - Parameters:
  ///   - binding: bytes that only the two ends of the link know.
  ///   - seen: where the relay, or this node itself, has seen the other node.
  ///   - roundTrip: how long a message and its answer take; nil if that is not known yet.
  ///   - prefersQUIC: whether the two nodes send by QUIC rather than by TCP where they can.
  ///   - carriesWork: whether a file, or part of one, is sent over a relayed link, or many bytes were.
  package init(
    id: LinkID, binding: [UInt8], seen: [Endpoint], roundTrip: Duration? = nil, prefersQUIC: Bool = false,
    carriesWork: Bool = false
  ) {
    self.carriesWork = carriesWork
    self.id = id
    self.seen = seen
    self.roundTrip = roundTrip
    self.prefersQUIC = prefersQUIC
    key = HMACSHA256.authenticate(Array("kachery punch".utf8), key: binding)
  }
}
