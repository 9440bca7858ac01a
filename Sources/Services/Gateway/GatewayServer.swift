package import EventLoop
import HTTP
import HTTPServing
package import Primitives

/// Serves files by their hashes to anyone, over HTTP and for reading only. Runs on the node's loop.
///
/// It has a port of its own and knows nothing of the local API: what it may share is all that `content` opens.
package actor GatewayServer {
  /// Most concurrent connections. Each holds at most one block of an answer: 0.7 MB in all, as measured.
  package static let mostConnections = 256
  /// The part of them that the requests of one address may occupy. A web server on this machine may occupy three quarters.
  private static let divisor = 8

  /// For how long others may keep the gateway waiting.
  package struct Patience: Sendable {
    /// How long other nodes may take to say whether they have a file, and to send a small one.
    package var search: Duration = .seconds(50)
    /// How long they may take for the chunk that holds the next block.
    package var chunk: Duration = .seconds(120)
    /// How long a client may take for one block. A slower one would hold its connection for nothing.
    package var client: Duration = .seconds(60)

    package init() {}
  }

  let loop: EventLoop
  let patience: Patience
  let content: any GatewayContent
  let access: CrossOriginAccess
  let metrics: GatewayMetrics
  let folders = FolderCache()
  /// Bytes of the indexes that are being sent.
  var indexBytes = 0
  private let service: HTTPService

  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Listens at a numeric IPv4 address.
  ///
  /// - Parameter origins: those of pages whose scripts may read the answers; `*` for all.
  package init(
    loop: EventLoop, content: any GatewayContent, at endpoint: Endpoint, origins: [String], metrics: GatewayMetrics,
    patience: Patience = Patience(), connections: Int = mostConnections
  ) throws(KacheryError) {
    self.loop = loop
    self.content = content
    self.metrics = metrics
    self.patience = patience
    access = CrossOriginAccess(origins)
    var style = HTTPServer.Style()
    style.keepsEscapes = true
    style.remedy = "choose another port, or an address of this machine, for the gateway"
    let server = try HTTPServer(
      host: endpoint.host, port: endpoint.port, connections: connections, style: style, now: { loop.now })
    service = HTTPService(server, on: loop)
  }

  /// The port of the server.
  package var port: UInt16 { service.port }

  /// Starts answering.
  package func start() throws(KacheryError) { try service.start { self.received($0) } }

  /// Closes every connection and stops listening. Idempotent.
  package func stop() { service.stop() }

  // MARK: Requests

  private func received(_ exchange: HTTPExchange) {
    let head = exchange.head
    // Before anything is read of it: nothing is stored here.
    guard head.contentLength ?? 0 == 0, head.headers["transfer-encoding"] == nil else {
      return refuse(exchange, 413, "Requests to this server have no body.", [("Connection", "close")])
    }
    guard exchange.claim(for: Self.holder(exchange.address), waits: true) else {
      return refuse(exchange, 503, "Too many requests from your address are being answered.", Self.retry)
    }
    let task = Task { await self.serve(exchange) }
    exchange.onCancel = { task.cancel() }
  }

  static let retry: [(name: String, value: String)] = [("Retry-After", "10")]

  /// Whose share of the connections a request counts towards. Behind the loopback interface is a web server, which counts
  /// its own clients.
  private static func holder(_ address: UInt32) -> HTTPHolder {
    let isLoopback = UInt32(bigEndian: address) >> 24 == 127
    return isLoopback ? HTTPHolder("this machine", divisor: 1) : HTTPHolder("address \(address)", divisor: divisor)
  }

  private func serve(_ exchange: HTTPExchange) async {
    switch ByteString(exchange.head.method) {
    case "GET", "HEAD":
      do throws(KacheryError) { try await answer(exchange) } catch { refuse(exchange, error) }
    case "OPTIONS": preflight(exchange)
    default:
      refuse(
        exchange, 405, "This server is for reading: it takes GET and HEAD only.", [("Allow", "GET, HEAD, OPTIONS")])
    }
  }

  private func preflight(_ exchange: HTTPExchange) {
    let allowed: [(name: String, value: String)] = [("Allow", "GET, HEAD, OPTIONS")]
    respond(
      exchange,
      HTTPResponse(
        status: 204, contentType: "text/plain", body: [],
        headers: allowed + access.preflight(for: exchange.head.headers["origin"])))
  }

  /// Ends a request with a sentence for people.
  func refuse(
    _ exchange: HTTPExchange, _ status: Int, _ sentence: String, _ headers: [(name: String, value: String)] = []
  ) {
    respond(
      exchange,
      HTTPResponse(
        status: status, contentType: "text/plain; charset=utf-8", body: Array("\(sentence)\n".utf8),
        headers: headers + [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
          + access.headers(for: exchange.head.headers["origin"])))
  }

  /// The node's own messages name channels, nodes and paths, so they are not repeated.
  private func refuse(_ exchange: HTTPExchange, _ error: KacheryError) {
    switch error.code {
    case .disconnected where exchange.isCancelled: break
    case .badRequest, .notFound, .noChannel, .notAuthorized, .refusedByPeer:
      refuse(exchange, 404, "There is no such file here, or it is not shared.")
    case .badFolder: refuse(exchange, 404, "This is not a folder.")
    case .tooLarge: refuse(exchange, 413, "This folder has too many names for an index; /sha1/ serves its document.")
    case .sourceBusy, .alreadyRunning: refuse(exchange, 503, "Too much is being loaded; try again later.", Self.retry)
    case .timedOut, .noMemberOnline, .unreachable, .disconnected, .channelUnreadable, .cancelled:
      refuse(exchange, 504, "The nodes that may have this file have not answered in time; try again later.")
    case .hashMismatch, .badManifest, .fileChanged, .sourceChanged, .sourceUnreadable:
      refuse(exchange, 502, "The file was found, but its bytes are not what its hash says.")
    default: refuse(exchange, 500, "The file cannot be read now.")
    }
  }

  /// Sends a complete answer.
  func respond(_ exchange: HTTPExchange, _ answer: HTTPResponse) {
    metrics.answered(answer.status)
    exchange.respond(answer)
  }
}
