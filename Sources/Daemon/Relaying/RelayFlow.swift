import Links
import Primitives

/// One direction in which a relay passes bytes on, as `RelayTurns` sees it. Bound to the loop.
protocol RelayFlow: AnyObject {
  /// The two nodes: all flows between them take turns together.
  var pair: NodePair { get }
  /// The link that takes the bytes, with those of its other streams; nil if the flow has a connection of its own.
  var sinkLink: LinkID? { get }
  /// Whether it waits for its turn; for `RelayTurns`.
  var isInLine: Bool { get set }
  /// Whether there is something to pass on.
  var hasWork: Bool { get }
  /// Whether the receiver takes more bytes now.
  var canPass: Bool { get }

  /// Passes on at most `limit` bytes, and the end once nothing waits before it.
  ///
  /// - Returns: the number of bytes.
  func pass(upTo limit: Int) -> Int
  /// It will not get its turn soon: nothing is to report that it has something to pass on.
  func rest()
}
