internal import CUV

/// One connect request, retained by libuv until its callback.
final class ConnectRequest {
  private let done: (Int32) -> Void
  private let raw = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)

  /// - Parameter done: called with the result, unless `start` has returned an error.
  init(done: @escaping (Int32) -> Void) { self.done = done }

  deinit { raw.deallocate() }

  func start(_ connection: TCPConnection, _ address: UnsafePointer<sockaddr>) -> Int32 {
    let retained = Unmanaged.passRetained(self)
    raw.pointee.data = retained.toOpaque()
    let result = uv_tcp_connect(raw, connection.raw(as: uv_tcp_t.self), address) { request, status in
      guard let data = request?.pointee.data else { return }
      Unmanaged<ConnectRequest>.fromOpaque(data).takeRetainedValue().done(status)
    }
    if result < 0 { retained.release() }
    return result
  }
}
