internal import CMicroHTTPD
internal import Glibc
package import Primitives

/// A local HTTP/1.1 server without its own thread: its owner watches `descriptor` and calls `process`.
///
/// Bound to its owner's loop. Each request is delivered as an `HTTPExchange`, which may be answered later.
package final class HTTPServer {
  /// The default and largest limit on concurrent connections: thousands of long polls may wait.
  package static let maximumConnections: UInt32 = 8_192
  /// Seconds after which an idle connection is closed. A connection that waits for an answer is not idle.
  package static let idleSeconds: UInt32 = 120

  /// Called for each request when its head has arrived.
  package var onRequest: ((HTTPExchange) -> Void)?
  /// Called when `process` must be called soon although the descriptor may not become readable.
  package var onWorkReady: (() -> Void)?

  private var daemon: OpaquePointer?
  private var socketPath: String?
  private var exchanges: [ObjectIdentifier: HTTPExchange] = [:]
  private var isProcessing = false
  private var hasWork = false

  /// The certificate and private key of a TLS server, both in PEM.
  package struct Credentials: Sendable {
    package let certificate: String
    package let key: String

    package init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// Serves on a numeric IPv4 address, with TLS if there are `credentials`.
  ///
  /// - Parameter connections: most concurrent connections; further ones wait.
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
          ? "Port \(port) on \(host) is in use by another daemon or program. Stop that one, "
            + "or choose another port with KACHERY_P2P_API_PORT."
          : "Port \(port) on \(host) cannot be used with TLS: another program has it, or the certificate and its "
            + "key do not match.")
    }
  }

  /// Serves on a Unix socket at this path, to which any user may connect: each exchange has the client's credentials in
  /// `peer`. Replaces a socket that a dead process left at the path, so the caller must know that no running process
  /// uses it.
  ///
  /// - Throws: `storageFailed` if the file system does not support sockets there.
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

  /// Becomes readable when `process` must be called; -1 once closed.
  package var descriptor: Int32 { daemon.map { CMicroHTTPD_descriptor($0) } ?? -1 }

  /// The port of the server; 0 for a Unix socket.
  package var port: UInt16 { daemon.map { CMicroHTTPD_port($0) } ?? 0 }

  /// Requests that are not completely answered.
  package var openExchanges: Int { exchanges.count }

  /// Receives and sends whatever is ready.
  package func process() {
    guard let daemon, !isProcessing else { return }
    isProcessing = true
    // Bounded, so that one busy client does not block the loop.
    for _ in 0..<16 {
      hasWork = false
      MHD_run(daemon)
      // The library's descriptor signals new data only once; whether some was left unread must be asked.
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

  /// Detects clients that hang up while they wait for an answer. Call it every second or so.
  package func checkHangUps() {
    for exchange in exchanges.values { exchange.checkHangUp() }
  }

  /// Schedules a call of `process` because something changed.
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

  // MARK: Callbacks of the library

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
    // Balanced in `completed`, which the library calls exactly once per request.
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
