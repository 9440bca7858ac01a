internal import CUV
package import Primitives

/// A TCP connection. Delivers bytes through `onData`, and its end once through `onEnd`.
package final class TCPConnection: LoopHandle {
  /// The next bytes. The pointer is valid only during the call.
  package var onData: ((UnsafeRawBufferPointer) -> Void)?
  /// The end of the connection, exactly once unless `close` was called first; nil if the peer closed it normally.
  package var onEnd: ((KacheryError?) -> Void)?
  /// Called when the kernel has accepted all written bytes after some of them were queued.
  package var onDrain: (() -> Void)?
  /// Bytes queued until the kernel accepts them.
  package private(set) var pendingBytes = 0
  package private(set) var remoteEndpoint: Endpoint?
  package private(set) var localEndpoint: Endpoint?
  /// Whether a proxy has opened it. Its remote endpoint is the place behind the proxy.
  package private(set) var isProxied = false
  /// Bytes written since the connection began.
  private(set) var writtenBytes: UInt64 = 0

  private var isReading = false
  /// Whether reading goes on in the next turn of the loop.
  private var isResuming = false
  private var pace = ReadPace(largest: EventLoop.readBufferSize)

  init(loop: EventLoop) {
    super.init(loop: loop, byteCount: MemoryLayout<uv_tcp_t>.size)
    guard !isClosing else { return }
    uv_tcp_init(loop.core.loop, raw(as: uv_tcp_t.self))
    adopt()
  }

  private var stream: UnsafeMutablePointer<uv_stream_t> { raw(as: uv_stream_t.self) }

  /// Called when the connection is established.
  ///
  /// - Parameter place: where it leads if its other end is a proxy.
  func begin(beyondProxy place: Endpoint? = nil) {
    let tcp = raw(as: uv_tcp_t.self)
    uv_tcp_nodelay(tcp, 1)
    isProxied = place != nil
    remoteEndpoint = place ?? SocketAddress.remote(of: tcp)
    localEndpoint = SocketAddress.local(of: tcp)
  }

  /// Starts or resumes reading. Nothing is read before the first call.
  package func resumeReading() {
    guard !isReading, !isResuming, !isClosing else { return }
    isReading = true
    uv_read_start(
      stream,
      { handle, _, buffer in
        guard let connection = LoopHandle.owner(of: handle) as? TCPConnection else { return }
        let memory = connection.loop.core.readBuffer
        let count = min(memory.count, connection.pace.size)
        buffer?.pointee = uv_buf_init(memory.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(count))
      },
      { stream, count, buffer in
        guard let connection = LoopHandle.owner(of: stream) as? TCPConnection else { return }
        connection.read(count, buffer?.pointee.base)
      })
  }

  /// Stops reading until `resumeReading`, which slows down the peer.
  package func pauseReading() {
    isResuming = false
    guard isReading, !isClosing else { return }
    isReading = false
    uv_read_stop(stream)
  }

  private func read(_ count: Int, _ base: UnsafeMutablePointer<CChar>?) {
    if count > 0 {
      let start = loop.now
      onData?(UnsafeRawBufferPointer(start: base, count: count))
      let isFull = count == pace.size
      let others = pace.handled(count, within: loop.now - start, turn: uv_now(loop.core.loop))
      // If nothing more has arrived, they have their turns anyway.
      if isFull, others { letOthersRead() }
    } else if count < 0 {
      end(count == Int(UV_EOF.rawValue) ? nil : UVError.error(Int32(count), "The connection broke"))
    }
  }

  /// Goes on in the next turn of the loop.
  private func letOthersRead() {
    guard isReading, !isClosing else { return }
    pauseReading()
    isResuming = true
    loop.later { [weak self] in self?.resumeAfterOthers() }
  }

  private func resumeAfterOthers() {
    guard isResuming else { return }
    isResuming = false
    resumeReading()
  }

  private func end(_ error: KacheryError?) {
    guard !isClosing else { return }
    let tell = onEnd
    close()
    tell?(error)
  }

  override func closedByLoop() { end(EventLoop.stopping) }

  /// Sends bytes, in order. Queues the bytes that the kernel does not accept immediately, and counts them in
  /// `pendingBytes`.
  package func write(_ bytes: UnsafeRawBufferPointer) {
    loop.preconditionOnLoop()
    guard !isClosing, !bytes.isEmpty else { return }
    writtenBytes += UInt64(bytes.count)
    var taken = 0
    if pendingBytes == 0 {
      var buffer = Self.buffer(of: bytes)
      taken = max(0, Int(uv_try_write(stream, &buffer, 1)))
    }
    if taken < bytes.count { queue(UnsafeRawBufferPointer(rebasing: bytes[taken...])) }
  }

  /// Sends bytes, in order.
  package func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

  private func queue(_ bytes: UnsafeRawBufferPointer) {
    pendingBytes += bytes.count
    let request = WriteRequest(connection: self, bytes: bytes)
    let result = request.start(on: stream)
    guard result < 0 else { return }
    pendingBytes -= bytes.count
    // Not from inside the caller's `write`.
    loop.later { [weak self] in self?.end(UVError.error(result, "The connection broke")) }
  }

  fileprivate func wrote(_ count: Int, _ status: Int32) {
    pendingBytes -= count
    guard !isClosing else { return }
    if status < 0 { return end(UVError.error(status, "The connection broke")) }
    if pendingBytes == 0 { onDrain?() }
  }

  static func buffer(of bytes: UnsafeRawBufferPointer) -> uv_buf_t {
    uv_buf_init(UnsafeMutablePointer(mutating: bytes.bindMemory(to: CChar.self).baseAddress), UInt32(bytes.count))
  }

  /// Closes the connection and drops queued bytes. No callback is called afterwards. Idempotent.
  package func close() {
    onData = nil
    onEnd = nil
    onDrain = nil
    closeHandle()
  }
}

/// Bytes being written, retained until the kernel has them.
private final class WriteRequest {
  let connection: TCPConnection
  private let raw = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
  private let bytes: UnsafeMutableRawBufferPointer

  init(connection: TCPConnection, bytes: UnsafeRawBufferPointer) {
    self.connection = connection
    self.bytes = .allocate(byteCount: bytes.count, alignment: 16)
    self.bytes.copyMemory(from: bytes)
  }

  deinit {
    raw.deallocate()
    bytes.deallocate()
  }

  func start(on stream: UnsafeMutablePointer<uv_stream_t>) -> Int32 {
    // Balanced by the callback, or below if libuv rejects the request.
    let retained = Unmanaged.passRetained(self)
    raw.pointee.data = retained.toOpaque()
    var buffer = TCPConnection.buffer(of: UnsafeRawBufferPointer(bytes))
    let result = uv_write(raw, stream, &buffer, 1) { request, status in
      guard let data = request?.pointee.data else { return }
      let request = Unmanaged<WriteRequest>.fromOpaque(data).takeRetainedValue()
      request.connection.wrote(request.bytes.count, status)
    }
    if result < 0 { retained.release() }
    return result
  }
}
