internal import CMicroHTTPD
internal import Glibc
package import Primitives

/// A local HTTP/1.1 server without its own thread: its owner watches `descriptor` and calls `process`.
///
/// Bound to its owner's loop. Each request is delivered as an `HTTPExchange`, which may be answered later.
package final class HTTPServer {
  /// The default and largest limit on concurrent connections: thousands of long polls may wait.
  package static let maximumConnections = 8_192
  /// Connections in addition to the limit, for those that are being closed. The library accepts at most 10 at a time.
  private static let closingConnections = 32
  /// Seconds after which an idle connection is closed. A connection that waits for an answer is not idle.
  package static let idleSeconds: UInt32 = 120

  /// Called for each request when its head has arrived.
  package var onRequest: ((HTTPExchange) -> Void)?
  /// Called when `process` must be called soon although the descriptor may not become readable.
  package var onWorkReady: (() -> Void)?

  private var daemon: OpaquePointer?
  private let now: () -> Instant
  private var socketPath: String?
  private var connections: ConnectionTable
  private var sockets: [ConnectionTable.Number: Int32] = [:]
  private var exchanges: [ConnectionTable.Number: HTTPExchange] = [:]
  private var closing: [ConnectionTable.Number] = []
  private var isProcessing = false
  private var hasWork = false

  /// Whether what connections carry is encrypted.
  private(set) var isEncrypted = false

  /// The certificate and private key of a TLS server, both in PEM.
  package struct Credentials: Sendable {
    package let certificate: String
    package let key: String

    package init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// What differs between the servers of a daemon.
  package struct Style: Sendable {
    /// Whether paths and queries stay percent-encoded, as they were sent.
    package var keepsEscapes = false
    /// How to choose another port, if this one is taken.
    package var remedy = "choose another port with KACHERY_P2P_API_PORT"

    package init() {}
  }

  /// Serves on a numeric IPv4 address, with TLS if there are `credentials`.
  ///
  /// - Parameters:
  ///   - connections: most concurrent connections; for a further one, an older one is closed.
  ///   - now: the monotonic clock.
  /// - Throws: `alreadyRunning` if another process has the port.
  package init(
    host: String, port: UInt16, credentials: Credentials? = nil, connections: Int = maximumConnections,
    style: Style = Style(), now: @escaping () -> Instant
  ) throws(KacheryError) {
    self.now = now
    self.connections = ConnectionTable(limit: connections)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
      throw KacheryError(.badConfiguration, "'\(host)' is not an IPv4 address to listen on.")
    }
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { start(CMicroHTTPD_settings($0, style), credentials) }
    }
    guard daemon != nil else {
      throw KacheryError(
        .alreadyRunning,
        credentials == nil
          ? "Port \(port) on \(host) is in use by another daemon or program. Stop that one, "
            + "or \(style.remedy)."
          : "Port \(port) on \(host) cannot be used with TLS: another program has it, or the certificate and its "
            + "key do not match.")
    }
  }

  /// Serves on a Unix socket at this path, to which any user may connect: each exchange has the client's credentials in
  /// `peer`. Replaces a socket that a dead process left at the path, so the caller must know that no running process
  /// uses it.
  ///
  /// - Throws: `storageFailed` if the file system does not support sockets there.
  package init(
    unixSocket path: String, connections: Int = maximumConnections, now: @escaping () -> Instant
  ) throws(KacheryError) {
    self.now = now
    self.connections = ConnectionTable(limit: connections)
    start(CMicroHTTPD_settings(try UnixSocket.listen(at: path)), nil)
    guard daemon != nil else {
      UnixSocket.remove(path)
      throw KacheryError(.internalError, "There is no memory for the server on the socket \(path).")
    }
    socketPath = path
  }

  private func start(_ settings: CMicroHTTPD_settings, _ credentials: Credentials?) {
    var settings = settings
    settings.connections = UInt32(clamping: connections.limit + Self.closingConnections)
    settings.idle_seconds = Self.idleSeconds
    let context = Unmanaged.passUnretained(self).toOpaque()
    guard let credentials else {
      daemon = CMicroHTTPD_start(settings, Self.handle, Self.completed, Self.noticed, context)
      return
    }
    isEncrypted = true
    credentials.certificate.withCString { certificate in
      credentials.key.withCString { key in
        settings.certificate = certificate
        settings.key = key
        daemon = CMicroHTTPD_start(settings, Self.handle, Self.completed, Self.noticed, context)
      }
    }
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
      closeUnwanted()
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

  /// Closes the connections of clients that have hung up while they wait for an answer, or that have kept the server
  /// waiting for too long. Call it every second or so.
  package func checkConnections() {
    let now = now()
    for (number, exchange) in exchanges {
      exchange.checkHangUp()
      connections.noteBody(of: number, received: exchange.missingBody, at: now)
    }
    closing += connections.removeOverdue(at: now)
    closeUnwanted()
  }

  private func closeUnwanted() {
    for number in closing {
      // The library notices at the next turn.
      if let socket = sockets[number] { shutdown(socket, Int32(SHUT_RDWR)) }
      exchanges[number]?.serverCloses()
    }
    if !closing.isEmpty { workIsReady() }
    closing = []
  }

  /// Records who sent the request; false if the sender has as many requests as it may have.
  func claim(_ number: ConnectionTable.Number, for holder: HTTPHolder, waits: Bool) -> Bool {
    connections.claim(number, for: holder, waits: waits)
  }

  /// Closes a connection soon.
  func cutOff(_ number: ConnectionTable.Number) {
    closing.append(number)
    workIsReady()
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
    context, connection, url, method, version, uploadData, uploadCount, state in
    guard let context, let connection, let url, let method, let version, let uploadCount, let state else { return .NO }
    let server = Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    if let known = state.pointee {
      return Unmanaged<HTTPExchange>.fromOpaque(known).takeUnretainedValue().received(uploadData, uploadCount)
    }
    let head = HTTPRequestHead(connection, method: method, path: String(cString: url), version: version)
    let peer = server.socketPath == nil ? nil : PeerCredentials(CMicroHTTPD_socket(connection))
    let number = ConnectionTable.Number(bitPattern: CMicroHTTPD_connection_context(connection))
    let exchange = HTTPExchange(server: server, connection: connection, number: number, head: head, peer: peer)
    // Balanced in `completed`, which the library calls exactly once per request.
    state.pointee = Unmanaged.passRetained(exchange).toOpaque()
    server.exchanges[number] = exchange
    server.connections.receivedHead(number, at: server.now())
    if case .refused(let reason) = head.framing { exchange.refuse(reason) } else { server.onRequest?(exchange) }
    return exchange.headReceived()
  }

  private static let completed: MHD_RequestCompletedCallback = { context, _, state, _ in
    guard let context, let known = state?.pointee else { return }
    let exchange = Unmanaged<HTTPExchange>.fromOpaque(known).takeRetainedValue()
    state?.pointee = nil
    let server = Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    server.exchanges[exchange.number] = nil
    server.connections.answered(exchange.number, at: server.now())
    exchange.completed()
  }

  /// The library remembers the number of each connection.
  private static let noticed: MHD_NotifyConnectionCallback = { context, connection, state, event in
    guard let context, let connection, let state else { return }
    let server = Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    if event.rawValue == 0 {
      state.pointee = UnsafeMutableRawPointer(bitPattern: server.accepted(CMicroHTTPD_socket(connection)))
    } else {
      server.closed(ConnectionTable.Number(bitPattern: state.pointee))
    }
  }

  private func accepted(_ socket: Int32) -> ConnectionTable.Number {
    let origin: HTTPOrigin
    if socketPath == nil {
      CMicroHTTPD_keep_alive(socket)
      origin = .address(CMicroHTTPD_peer_address(socket))
    } else {
      origin = .user(PeerCredentials.user(socket))
    }
    let (number, unwanted) = connections.accept(from: origin, at: now())
    sockets[number] = socket
    if let unwanted { closing.append(unwanted) }
    return number
  }

  private func closed(_ number: ConnectionTable.Number) {
    sockets[number] = nil
    connections.remove(number)
  }
}

extension CMicroHTTPD_settings {
  /// A server at this address.
  fileprivate init(_ address: UnsafePointer<sockaddr>, _ style: HTTPServer.Style) {
    self.init()
    self.address = address
    keeps_escapes = style.keepsEscapes ? 1 : 0
  }

  /// A server on a socket that is listening.
  fileprivate init(_ socket: Int32) {
    self.init()
    self.socket = socket
  }
}
