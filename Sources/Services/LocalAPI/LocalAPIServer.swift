import APIModel
package import Diagnostics
package import EventLoop
import Files
package import HTTP
import HTTPServing
package import Primitives

/// The daemon's HTTP API for programs on this machine. Runs on the node's loop.
package actor LocalAPIServer {
  /// The largest share of this process's descriptors that one API server's clients may use. The rest is for files,
  /// other nodes and the other API servers.
  private enum Share: Int {
    case half = 2
    case eighth = 8
  }

  private static func connections(_ share: Share) -> Int {
    min(HTTPServer.maximumConnections, max(256, FileSystem.raiseDescriptorLimit()) / share.rawValue)
  }

  let loop: EventLoop
  let node: any LocalNode
  let log: Log
  let policy: AccessPolicy
  private let service: HTTPService
  /// The same API on a Unix socket, and who may use it.
  private let socketService: HTTPService?
  let socketAccess: SocketAccess?
  private var access: APIAccess
  /// A token with which programs may read, and nothing else; nil if there is none.
  private let readingToken: BearerToken?
  private var tokenTimer: Timer?
  let largeBodies = TaskQueue()
  let events = EventStreams()
  var bodyShares = BodyShares()
  private let requests: Counter
  private let refusals: Counter
  private let answerSeconds: Histogram

  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Listens on `host` and `port`, 0 for any free port, and on a Unix socket if one is named and can be created.
  ///
  /// - Parameter connections: most connections to each; by default a share of this process's descriptors.
  package init(
    loop: EventLoop, node: any LocalNode, host: String, port: UInt16, access: APIAccess, reading: BearerToken? = nil,
    credentials: HTTPServer.Credentials? = nil, socket: SocketAccess? = nil, connections: Int? = nil,
    policy: AccessPolicy, log: Log
  ) throws(KacheryError) {
    self.loop = loop
    self.node = node
    self.policy = policy
    self.log = log
    self.access = access
    readingToken = reading
    requests = node.metrics.register(
      "kachery_api_requests_total", .counter, "Requests to the local API, refused ones included.")
    refusals = node.metrics.register("kachery_api_refusals_total", .counter, "Requests without a good token or host.")
    answerSeconds = node.metrics.register(
      "kachery_api_answer_seconds", upTo: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      "How long requests to the local API took; those that wait for nodes or messages, or carry files, do not count.")
    let server = try HTTPServer(
      host: host, port: port, credentials: credentials,
      connections: connections ?? Self.connections(access.isRemote ? .eighth : .half), now: { loop.now })
    service = HTTPService(server, on: loop)
    socketAccess = socket
    socketService = Self.listen(on: socket, connections ?? Self.connections(.eighth), loop, log)
  }

  /// Some network file systems do not support sockets; clients can still use the port.
  private static func listen(
    on socket: SocketAccess?, _ connections: Int, _ loop: EventLoop, _ log: Log
  ) -> HTTPService? {
    guard let socket else { return nil }
    do throws(KacheryError) {
      let server = try HTTPServer(unixSocket: socket.path, connections: connections, now: { loop.now })
      return HTTPService(server, on: loop)
    } catch {
      log.warning("The Unix socket is not available, so clients have to use the port: \(error)")
      return nil
    }
  }

  /// The port of the server.
  package var port: UInt16 { service.port }

  private var services: [HTTPService] { [service] + (socketService.map { [$0] } ?? []) }

  /// Starts answering.
  package func start() throws(KacheryError) {
    // The timer and the services keep the server alive until `stop`.
    for service in services { try service.start { self.received($0) } }
    tokenTimer = loop.after(ClientToken.period, repeating: ClientToken.period) { self.rotateToken() }
  }

  private func rotateToken() {
    guard case .storageDirectory(var token) = access else { return }
    do throws(KacheryError) {
      try token.rotate()
      access = .storageDirectory(token)
    } catch {
      log.error("The client token could not be replaced: \(error)")
    }
  }

  /// Closes every connection and stops listening. Idempotent.
  package func stop() {
    tokenTimer?.cancel()
    tokenTimer = nil
    for service in services { service.stop() }
    events.close()
  }

  // MARK: Requests

  private func received(_ exchange: HTTPExchange) {
    requests.add()
    let task = Task { await self.serve(exchange) }
    exchange.onCancel = { task.cancel() }
  }

  private func serve(_ exchange: HTTPExchange) async {
    do throws(KacheryError) {
      // On the Unix socket as well: a browser cannot reach it directly, but a user may forward a port to it.
      guard access.isRemote || policy.admits(host: exchange.head.headers["host"]) else {
        throw KacheryError(
          .forbidden,
          "This API answers only to the names localhost, 127.0.0.1 and [::1]; use one of them in the address.")
      }
      guard exchange.head.method != "OPTIONS" else { return preflight(exchange) }
      guard let (route, parameters) = Route.match(exchange.head.path) else {
        return refuse(exchange, status: 404, "There is nothing at \(exchange.head.path) in this version of the daemon.")
      }
      guard route.methods.contains(ByteString(exchange.head.method)) else {
        return refuse(
          exchange, status: 405, "\(route.rawValue) takes \(route.methods.map(\.text).joined(separator: " or ")) only.")
      }
      let caller = route.isOpen ? nil : try await caller(of: exchange, route)
      if let caller, !exchange.claim(for: holder(caller, exchange), waits: route.waits) {
        return refuse(
          exchange, status: 503, "Too many requests of this client are being served; end some of them first.")
      }
      let begunAt = loop.now
      try await answer(route, parameters, caller, exchange)
      if !route.waits { answerSeconds.add(loop.now - begunAt) }
    } catch {
      if error.code == .forbidden { refusals.add() }
      refuse(exchange, status: error.code.httpStatus, error.message, error.code)
    }
  }

  private func preflight(_ exchange: HTTPExchange) {
    let headers = policy.crossOriginHeaders(for: exchange.head)
    guard !headers.isEmpty else { return refuse(exchange, status: 403, "Pages of this origin may not use this API.") }
    exchange.respond(HTTPResponse(status: 204, contentType: "text/plain", body: [], headers: headers))
  }

  /// The token of local clients; nil if clients are on other machines.
  var currentToken: String? { if case .storageDirectory(let token) = access { token.current } else { nil } }

  /// Whether a client on another machine sends the token issued to it.
  func isTrusted(_ exchange: HTTPExchange) -> Bool {
    guard case .bearer(let token) = access else { return true }
    return exchange.head.headers["authorization"].map(token.accepts) ?? false
  }

  /// Whether the client sends the token for reading.
  func mayRead(_ exchange: HTTPExchange) -> Bool {
    guard let readingToken, let shown = exchange.head.headers["authorization"] else { return false }
    return readingToken.accepts(shown)
  }

  /// Whether the client is admitted because of the user that it runs as; nil if it connected over the network.
  func isKnownUser(_ exchange: HTTPExchange) -> Bool? {
    guard let peer = exchange.peer, let socketAccess else { return nil }
    return socketAccess.admits(peer)
  }

  /// Whether the sender of a request that needs no token may know the names of channels, which are secrets.
  ///
  /// Published clients list channels without a token: the kernel says whether their user is the daemon's own.
  func mayReadChannels(_ exchange: HTTPExchange) -> Bool {
    guard case .storageDirectory(let token) = access else { return isTrusted(exchange) }
    if isKnownUser(exchange) == true || shownToken(exchange).map(token.accepts) == true { return true }
    // Not what a page of another origin asks in that user's browser.
    guard exchange.peer == nil, exchange.head.headers["origin"] == nil, let user = exchange.loopbackUser else {
      return false
    }
    return user == FileSystem.user || user == 0
  }

  static let wrongToken = KacheryError(
    .forbidden, "The header 'Authorization: Bearer …' with the token of this daemon is missing, or the token is wrong.")

  /// Who sends the request.
  ///
  /// - Throws: `forbidden` if its token is missing or wrong, or insufficient for the route.
  func caller(of exchange: HTTPExchange, _ route: Route) async throws(KacheryError) -> Caller {
    if mayRead(exchange) {
      guard Caller.page.may(use: route) else {
        throw KacheryError(.forbidden, "This token is for reading only, which \(route.rawValue) is not.")
      }
      return .page
    }
    guard case .storageDirectory(let token) = access else {
      guard isTrusted(exchange) else { throw Self.wrongToken }
      guard Caller.otherMachine.may(use: route) else {
        throw KacheryError(
          .forbidden, "\(route.rawValue) is for programs on the daemon's own machine; send bytes to /store instead.")
      }
      return .otherMachine
    }
    if let peer = exchange.peer, isKnownUser(exchange) == true {
      return try allowed(socketAccess?.isOwner(peer) == true ? .owner : .groupMember, route)
    }
    // A person who opens the status page in a browser cannot add a header.
    let inAddress = route.isPage ? exchange.head.query["token"] : nil
    guard let shown = exchange.head.headers[ByteString(APIVersion.tokenHeader.lowercasedASCII)] ?? inAddress else {
      if let peer = exchange.peer, let socketAccess { throw socketAccess.refusal(peer) }
      let forBrowsers =
        route.isPage && exchange.head.method == "GET"
        ? " In a browser, open the address that 'kachery daemon status' prints: it contains the token." : ""
      throw KacheryError(
        .forbidden,
        "The header \(APIVersion.tokenHeader) is missing; its value is in client-auth in the storage directory."
          + forBrowsers)
    }
    if token.accepts(shown) { return try allowed(tokenHolder(exchange), route) }
    guard Caller.page.may(use: route), !shown.isEmpty,
      let others = try await node.mutable("_other_client_auth_codes")?.array, others.contains(.string(shown))
    else {
      throw KacheryError(
        .forbidden,
        "The client token is wrong or has expired; read client-auth in the storage directory again.")
    }
    return .page
  }

  private func allowed(_ caller: Caller, _ route: Route) throws(KacheryError) -> Caller {
    guard caller.may(use: route) else { throw socketAccess?.refusal(route) ?? Self.wrongToken }
    return caller
  }

  /// Who shows the token. If the daemon serves a group, the members can read it too, so the kernel says whose program it
  /// is; one for which it names no user gets no more than they do.
  private func tokenHolder(_ exchange: HTTPExchange) -> Caller {
    guard let socketAccess, socketAccess.hasGroup else { return .owner }
    guard let user = exchange.peer?.user ?? exchange.loopbackUser else { return .groupMember }
    return socketAccess.isOwner(user) ? .owner : .groupMember
  }

  /// Whose share of the connections the request counts towards.
  private func holder(_ caller: Caller, _ exchange: HTTPExchange) -> HTTPHolder {
    switch caller {
    case .owner: return .owner
    case .groupMember:
      return HTTPHolder("user \(exchange.peer?.user ?? exchange.loopbackUser ?? .max)", divisor: 4)
    case .otherMachine: return HTTPHolder("address \(exchange.address)", divisor: 2)
    case .page: return HTTPHolder("token \(shownToken(exchange) ?? "")", divisor: 8)
    }
  }

  private func shownToken(_ exchange: HTTPExchange) -> String? {
    exchange.head.headers[ByteString(APIVersion.tokenHeader.lowercasedASCII)] ?? exchange.head.query["token"]
  }

  func refuse(_ exchange: HTTPExchange, status: Int, _ sentence: String, _ code: KacheryError.Code? = nil) {
    let codeHeader = code.map { [(APIVersion.errorCodeHeader, $0.rawValue)] } ?? []
    exchange.respond(
      HTTPResponse(
        status: status, contentType: "text/plain; charset=utf-8", body: Array(sentence.utf8),
        headers: policy.crossOriginHeaders(for: exchange.head) + codeHeader))
  }

  func respond(_ exchange: HTTPExchange, _ json: JSONValue) { respond(exchange, bytes: json.compactBytes) }

  /// Answers with JSON that is written already.
  func respond(_ exchange: HTTPExchange, bytes: [UInt8]) {
    exchange.respond(
      HTTPResponse(
        contentType: "application/json", body: bytes, headers: policy.crossOriginHeaders(for: exchange.head)))
  }
}
