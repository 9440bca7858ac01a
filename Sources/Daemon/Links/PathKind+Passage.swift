import Links
import NodeCore

extension PathKind {
  /// The kind of a path that does not depend on the address to which it leads; nil for others.
  init?(_ passage: Passage) {
    switch passage {
    case .direct, .datagrams: return nil
    case .proxy: self = .proxied
    case .webSocket: self = .webSocket
    }
  }
}
