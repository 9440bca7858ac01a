package import Primitives

/// One attempt of two nodes to connect directly, in which each dials the addresses of the other at the same moment.
package struct PunchRound: Hashable, Sendable {
  /// The node at the other end.
  package let peer: NodeID
  /// The session that the controlling node chose.
  package let session: UInt32
  /// Which attempt of the session this is, from 1 on.
  package let number: UInt8
  /// Whether this node, the one with the smaller ID, chooses the connection and is the TLS client.
  package let isControlling: Bool
  /// 32 bytes that only the two nodes know: the key of the preambles.
  package let key: [UInt8]
  /// Where the other node may be reached over TCP, best first.
  package let candidates: [Endpoint]

  package init(
    peer: NodeID, session: UInt32, number: UInt8, isControlling: Bool, key: [UInt8], candidates: [Endpoint]
  ) {
    self.peer = peer
    self.session = session
    self.number = number
    self.isControlling = isControlling
    self.key = key
    self.candidates = candidates
  }
}
