internal import CUV
import Glibc
import Primitives

/// One of the two sockets of a `SocketSplice`. Owns its descriptor.
final class SplicedSocket: LoopHandle {
  /// What the socket is watched for.
  struct Interest: OptionSet {
    let rawValue: UInt32

    static let readable = Interest(rawValue: UInt32(UV_READABLE.rawValue))
    static let writable = Interest(rawValue: UInt32(UV_WRITABLE.rawValue))
  }

  let descriptor: Int32
  /// Called when the socket has become what it is watched for; with nil if the connection has broken.
  var onEvents: ((Interest?) -> Void)?
  private var interest: Interest = []

  /// Takes the socket from a connection, which is closed. What the connection has read, or still has to write, is lost.
  init(taking connection: TCPConnection) throws(KacheryError) {
    let loop = connection.loop
    guard let original = connection.descriptor else { throw EventLoop.stopping }
    // libuv closes its own descriptor, and watches each only once.
    let copy = CUV_duplicate(original)
    connection.close()
    descriptor = copy
    super.init(loop: loop, byteCount: MemoryLayout<uv_poll_t>.size)
    let opened = isClosing ? Int32(UV_ECANCELED.rawValue) : copy < 0 ? copy : uv_poll_init(loop.core.loop, poll, copy)
    guard opened == 0 else {
      if copy >= 0 { Glibc.close(copy) }
      throw UVError.error(opened, "The connection cannot be joined to another")
    }
    adopt()
  }

  private var poll: UnsafeMutablePointer<uv_poll_t> { raw(as: uv_poll_t.self) }

  /// Watches the socket for this and nothing else from now on.
  func watch(for wanted: Interest) {
    // Each change costs two calls of the system.
    guard !isClosing, wanted != interest else { return }
    interest = wanted
    guard !wanted.isEmpty else {
      uv_poll_stop(poll)
      return
    }
    uv_poll_start(poll, Int32(wanted.rawValue)) { handle, status, events in
      guard let socket = LoopHandle.owner(of: handle) as? SplicedSocket else { return }
      // libuv has stopped watching a socket with an error.
      if status < 0 { socket.interest = [] }
      socket.onEvents?(status < 0 ? nil : Interest(rawValue: UInt32(events)))
    }
  }

  /// Sends no more. What was sent before still arrives.
  func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Closes the socket. Idempotent.
  ///
  /// - Parameter isReset: whether the other end is to learn of it as an error.
  func close(isReset: Bool) {
    guard !isClosing else { return }
    onEvents = nil
    closeHandle()
    if isReset {
      var now = linger(l_onoff: 1, l_linger: 0)
      _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }
    Glibc.close(descriptor)
  }

  override func closedByLoop() { onEvents?(nil) ?? close(isReset: true) }
}
