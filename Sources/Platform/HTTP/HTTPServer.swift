internal import CMicroHTTPD
internal import Glibc
package import Primitives

/// A local HTTP/1.1 server without a thread of its own: its owner watches `descriptor` and calls `process`.
///
/// Bound to its owner's loop. Each request comes as an `HTTPExchange`, which is answered when the answer is ready.
package final class HTTPServer {
  /// Connections at once, where nobody asks for fewer: thousands of long polls may wait.
  package static let maximumConnections: UInt32 = 8_192
  /// Seconds after which a connection on which nothing happens is closed. Waiting for an answer does not count.
  package static let idleSeconds: UInt32 = 120

  /// Called for each request, when its head has come.
  package var onRequest: ((HTTPExchange) -> Void)?
  /// Called when `process` must be called soon though the descriptor may stay silent.
  package var onWorkReady: (() -> Void)?

  private var daemon: OpaquePointer?
  private var socketPath: String?
  private var exchanges: [ObjectIdentifier: HTTPExchange] = [:]
  private var isProcessing = false
  private var hasWork = false

  /// What a server shows that speaks TLS: its certificate and the key to it, both in PEM.
  package struct Credentials: Sendable {
    package let certificate: String
    package let key: String

    package init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// Serves on a numeric IPv4 address, over TLS where there are `credentials`.
  ///
  /// - Parameter connections: taken at once; further ones wait.
  /// - Throws: `alreadyRunning` if another process has the port.
  package init(
    host: String, port: UInt16, credentials: Credentials? = nil, connections: UInt32 = maximumConnections
  ) throws(KacheryError) {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
      throw KacheryError(.badConfiguration, "'\(host)' is not an IPv4 address for the local API to listen on.")
    }
    let context = Unmanaged.passUnretained(self).toOpaque()
    daemon = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        guard let credentials else {
          return CMicroHTTPD_start(
            address, connections, Self.idleSeconds, HTTPServer.handle, context, HTTPServer.completed)
        }
        return CMicroHTTPD_start_tls(
          address, connections, Self.idleSeconds, HTTPServer.handle, context, HTTPServer.completed,
          credentials.certificate, credentials.key)
      }
    }
    guard daemon != nil else {
      throw KacheryError(
        .alreadyRunning,
        credentials == nil
          ? "Port \(port) on \(host) cannot be listened on: another daemon or program has it. Stop that one, "
            + "or choose another port with KACHERY_P2P_API_PORT."
          : "Port \(port) on \(host) cannot be listened on with TLS: another program has it, or the certificate and its "
            + "key do not fit.")
    }
  }

  /// Serves on a Unix socket of this name, which any user may connect to: each exchange tells its `peer`. A socket of that
  /// name that a dead process left is replaced, so the caller must know that no living one has it.
  ///
  /// - Throws: `storageFailed` if the file system takes no socket there.
  package init(unixSocket path: String, connections: UInt32 = maximumConnections) throws(KacheryError) {
    let descriptor = try UnixSocket.listen(at: path)
    daemon = CMicroHTTPD_start_on(
      descriptor, connections, Self.idleSeconds, HTTPServer.handle,
      Unmanaged.passUnretained(self).toOpaque(), HTTPServer.completed)
    guard daemon != nil else {
      UnixSocket.remove(path)
      throw KacheryError(.internalError, "There is no memory for the server on the socket \(path).")
    }
    socketPath = path
  }

  deinit { close() }

  /// Becomes readable whenever there is something for `process` to do; -1 once closed.
  package var descriptor: Int32 { daemon.map { CMicroHTTPD_descriptor($0) } ?? -1 }

  /// The port that is listened on; 0 for a Unix socket.
  package var port: UInt16 { daemon.map { CMicroHTTPD_port($0) } ?? 0 }

  /// Requests that have not been answered to the end.
  package var openExchanges: Int { exchanges.count }

  /// Takes in what has come and sends what can be sent.
  package func process() {
    guard let daemon, !isProcessing else { return }
    isProcessing = true
    // Bounded, so that one busy client does not keep the loop from everything else.
    for _ in 0..<16 {
      hasWork = false
      MHD_run(daemon)
      // The library's descriptor speaks up once for what has come; what it left unread it only tells when asked.
      if isImpatient(daemon) { hasWork = true }
      if !hasWork { break }
    }
    isProcessing = false
    if hasWork { onWorkReady?() }
  }

  private func isImpatient(_ daemon: OpaquePointer) -> Bool {
    var timeout: UInt64 = 0
    return MHD_get_timeout(daemon, &timeout) == .YES && timeout == 0
  }

  /// Notices clients that have hung up while their request waits for an answer. To be called every second or so.
  package func checkHangUps() {
    for exchange in exchanges.values { exchange.checkHangUp() }
  }

  /// Something changed that the library must look at.
  func workIsReady() {
    guard !hasWork else { return }
    hasWork = true
    if !isProcessing { onWorkReady?() }
  }

  /// Closes every connection. Idempotent.
  package func close() {
    guard let daemon else { return }
    self.daemon = nil
    onRequest = nil
    onWorkReady = nil
    for exchange in exchanges.values { exchange.serverCloses() }
    MHD_stop_daemon(daemon)
    if let socketPath { UnixSocket.remove(socketPath) }
  }

  // MARK: What the library calls

  private static let handle: MHD_AccessHandlerCallback = {
    context, connection, url, method, _, uploadData, uploadCount, state in
    guard let context, let connection, let url, let method, let uploadCount, let state else { return .NO }
    let server = Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    if let known = state.pointee {
      return Unmanaged<HTTPExchange>.fromOpaque(known).takeUnretainedValue().received(uploadData, uploadCount)
    }
    let head = HTTPRequestHead(connection, method: String(cString: method), path: String(cString: url))
    let peer = server.socketPath == nil ? nil : PeerCredentials(CMicroHTTPD_socket(connection))
    let exchange = HTTPExchange(server: server, connection: connection, head: head, peer: peer)
    // Balanced in `completed`, which the library calls exactly once for each request.
    state.pointee = Unmanaged.passRetained(exchange).toOpaque()
    server.exchanges[ObjectIdentifier(exchange)] = exchange
    server.onRequest?(exchange)
    return exchange.headReceived()
  }

  private static let completed: MHD_RequestCompletedCallback = { context, _, state, _ in
    guard let context, let known = state?.pointee else { return }
    let exchange = Unmanaged<HTTPExchange>.fromOpaque(known).takeRetainedValue()
    state?.pointee = nil
    Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue().exchanges[ObjectIdentifier(exchange)] = nil
    exchange.completed()
  }
}
