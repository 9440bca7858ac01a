/// What the other end of a connection has acknowledged.
package struct DeliveryState: Hashable, Sendable {
  /// Bytes that the other end has acknowledged, since the connection began.
  package var acknowledged: UInt64
  /// Bytes that were written and not acknowledged.
  package var unacknowledged: Int
  /// How often in a row the kernel has sent the oldest of them again for lack of an acknowledgment.
  package var timeouts: Int

  package init(acknowledged: UInt64, unacknowledged: Int, timeouts: Int = 0) {
    self.acknowledged = acknowledged
    self.unacknowledged = unacknowledged
    self.timeouts = timeouts
  }
}
