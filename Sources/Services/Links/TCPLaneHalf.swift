package import EventLoop
package import Primitives
import Wire

/// One half of a joined lane at the relay, over TCP. Bound to the loop.
final class TCPLaneHalf: LaneHalf {
  let preamble: JoinPreamble
  let host: String?
  var onEnd: (() -> Void)?

  private let connection: TCPConnection

  /// - Parameter connection: has delivered exactly the preamble.
  init(_ connection: TCPConnection, _ preamble: JoinPreamble) {
    self.connection = connection
    self.preamble = preamble
    host = connection.remoteEndpoint?.host
    connection.onData = { [weak self] _ in self?.end() }
    connection.onEnd = { [weak self] _ in self?.end() }
    connection.resumeReading()
  }

  private func end() {
    let tell = onEnd
    close()
    tell?()
  }

  func close() {
    onEnd = nil
    connection.close()
  }

  /// Tells the node that the lane is joined, and hands the connection over.
  fileprivate func accept() -> TCPConnection {
    onEnd = nil
    connection.pauseReading()
    (connection.onData, connection.onEnd) = (nil, nil)
    connection.write([JoinPreamble.accepted])
    return connection
  }
}

extension LinkHost {
  /// Joins two halves of a lane: from now on, what arrives from one node goes to the other. They are closed if this fails.
  ///
  /// - Throws: if the process has no descriptors left.
  package static func splice(
    _ one: any LaneHalf, _ other: any LaneHalf, through pipes: SplicePipes
  ) throws(KacheryError) -> SocketSplice {
    guard let one = one as? TCPLaneHalf, let other = other as? TCPLaneHalf else {
      one.close()
      other.close()
      throw KacheryError(.internalError, "The two connections cannot be joined.")
    }
    return try SocketSplice(one.accept(), other.accept(), through: pipes)
  }
}
