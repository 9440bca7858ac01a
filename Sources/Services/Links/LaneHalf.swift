package import Wire

/// A connection that another node has opened to this one, its relay, for one half of a joined lane. It waits for the other
/// half. Bound to the loop.
package protocol LaneHalf: AnyObject {
  /// What the node has shown.
  var preamble: JoinPreamble { get }
  /// The node's address; nil if unknown.
  var host: String? { get }
  /// Called once if the connection ends, or the node sends anything, before it is joined. It is then closed.
  var onEnd: (() -> Void)? { get set }

  /// Closes the connection. Idempotent.
  func close()
}
