internal import CUV
package import Primitives

/// An attempt to connect: resolves the name, then tries its addresses in turn until the timeout.
package final class ConnectAttempt {
  private let loop: EventLoop
  private let endpoint: Endpoint
  private let localPort: UInt16?
  private let maximumSegment: (String) -> Int?
  private var done: ((Result<TCPConnection, KacheryError>) -> Void)?
  private var timer: Timer?
  private var addresses: [sockaddr_storage] = []
  /// The address that is being tried.
  private var current: sockaddr_storage?
  private var connection: TCPConnection?
  private var lastError: KacheryError?

  init(
    loop: EventLoop, endpoint: Endpoint, timeout: Duration, localPort: UInt16?,
    maximumSegment: @escaping (String) -> Int?, done: @escaping (Result<TCPConnection, KacheryError>) -> Void
  ) {
    self.loop = loop
    self.endpoint = endpoint
    self.localPort = localPort
    self.maximumSegment = maximumSegment
    self.done = done
    timer = loop.after(timeout) { [weak self] in
      guard let self else { return }
      self.finish(
        .failure(
          KacheryError(.timedOut, "Connecting to \(self.endpoint) took longer than \(timeout.components.seconds) s.")))
    }
  }

  /// Cancels the attempt; no callback is called afterwards. Idempotent.
  package func cancel() {
    done = nil
    finish(.failure(KacheryError(.cancelled, "The attempt was cancelled.")))
  }

  fileprivate func finish(_ result: Result<TCPConnection, KacheryError>) {
    timer?.cancel()
    timer = nil
    let tell = done
    done = nil
    if case .failure = result { connection?.close() }
    connection = nil
    tell?(result)
  }

  fileprivate func resolved(_ status: Int32, _ list: UnsafeMutablePointer<addrinfo>?) {
    defer { uv_freeaddrinfo(list) }
    guard done != nil else { return }
    guard status == 0 else {
      return finish(.failure(UVError.error(status, "The host name '\(endpoint.host)' cannot be resolved")))
    }
    var entry = list
    while let info = entry?.pointee {
      if let address = info.ai_addr, Int(info.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
          $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen)))
        }
        addresses.append(storage)
      }
      entry = info.ai_next
    }
    tryNext()
  }

  private func tryNext() {
    guard done != nil else { return }
    guard !loop.core.isClosing else { return finish(.failure(EventLoop.stopping)) }
    guard !addresses.isEmpty else {
      return finish(.failure(lastError ?? KacheryError(.disconnected, "The host '\(endpoint.host)' has no address.")))
    }
    let address = addresses.removeFirst()
    current = address
    var result = connect(to: address, from: localPort)
    // The two addresses may be connected already, or have been until a moment ago.
    if localPort != nil, [UV_EADDRINUSE, UV_EADDRNOTAVAIL].contains(uv_errno_t(result)) {
      result = connect(to: address, from: nil)
    }
    if result < 0 { connected(result) }
  }

  private func connect(to address: sockaddr_storage, from port: UInt16?) -> Int32 {
    connection?.close()
    let connection = TCPConnection(loop: loop)
    self.connection = connection
    return withUnsafePointer(to: address) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        let limit = SocketAddress.endpoint(address).flatMap { maximumSegment($0.host) }
        let result = connection.openSocket(
          family: Int32(address.pointee.sa_family), from: port, maximumSegment: limit)
        return result < 0 ? result : ConnectRequest { self.connected($0) }.start(connection, address)
      }
    }
  }

  fileprivate func connected(_ status: Int32) {
    guard done != nil, let connection else { return }
    guard status == 0 else {
      lastError = UVError.error(status, "Connecting to \(endpoint) failed")
      connection.close()
      self.connection = nil
      return tryNext()
    }
    connection.begin()
    if connection.isOwnPeer, let current {
      connection.abort()
      // What listens there answers only another port.
      let result = connect(to: current, from: nil)
      return result < 0 ? connected(result) : ()
    }
    finish(.success(connection))
  }
}

/// One request to resolve a name, retained by libuv until its callback.
private final class ResolveRequest {
  private let attempt: ConnectAttempt
  private let raw = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)

  init(attempt: ConnectAttempt) { self.attempt = attempt }

  deinit { raw.deallocate() }

  func start(on loop: UnsafeMutablePointer<uv_loop_t>, _ endpoint: Endpoint) -> Int32 {
    let retained = Unmanaged.passRetained(self)
    raw.pointee.data = retained.toOpaque()
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_family = AF_UNSPEC
    let result = uv_getaddrinfo(
      loop, raw,
      { request, status, list in
        guard let data = request?.pointee.data else { return }
        Unmanaged<ResolveRequest>.fromOpaque(data).takeRetainedValue().attempt.resolved(status, list)
      }, endpoint.host, String(endpoint.port), &hints)
    if result < 0 { retained.release() }
    return result
  }
}

extension TCPConnection {
  /// Connects to `endpoint`. `done` is called once, on the loop, never before this returns. Loop only.
  ///
  /// - Parameters:
  ///   - localPort: the port to leave from, if the system admits it; otherwise, and if nil, any.
  ///   - maximumSegment: the most bytes per packet, in either direction, for a host's numeric address; nil for as many
  ///     as the path seems to allow.
  package static func connect(
    on loop: EventLoop, to endpoint: Endpoint, timeout: Duration, from localPort: UInt16? = nil,
    maximumSegment: @escaping (String) -> Int? = { _ in nil },
    _ done: @escaping (Result<TCPConnection, KacheryError>) -> Void
  ) -> ConnectAttempt {
    loop.preconditionOnLoop()
    let attempt = ConnectAttempt(
      loop: loop, endpoint: endpoint, timeout: timeout, localPort: localPort, maximumSegment: maximumSegment,
      done: done)
    guard !loop.core.isClosing else {
      loop.later { attempt.finish(.failure(EventLoop.stopping)) }
      return attempt
    }
    let result = ResolveRequest(attempt: attempt).start(on: loop.core.loop, endpoint)
    if result < 0 {
      loop.later {
        attempt.finish(.failure(UVError.error(result, "The host name '\(endpoint.host)' cannot be resolved")))
      }
    }
    return attempt
  }
}
