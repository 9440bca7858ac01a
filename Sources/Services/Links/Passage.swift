/// How the bytes of a link get to the other end.
package enum Passage: Hashable, Sendable {
  /// By a connection between the two nodes, or by a stream through another node.
  case direct
  /// By a connection that an HTTP proxy has opened.
  case proxy
  /// Within a WebSocket, which may lead through a server in front of the other node.
  case webSocket
  /// By datagrams between the two nodes: QUIC.
  case datagrams

  /// Whether further connections make transfers faster: a WebSocket's server may admit few, and QUIC fills a line by
  /// itself.
  package var allowsLanes: Bool { self == .direct || self == .proxy }
}
