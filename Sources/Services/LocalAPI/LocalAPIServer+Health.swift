import HTTP
import Primitives

/// `/healthz` and `/readyz`, for service managers and load balancers. They reveal nothing but their answer.
extension LocalAPIServer {
  func showHealth(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    // Anyone in the network may reach that port, and a check costs the disk something.
    guard isTrusted(exchange) || mayRead(exchange) else { throw Self.wrongToken }
    let isRight = route == .ready ? await node.isReady : await node.isHealthy()
    exchange.respond(
      HTTPResponse(
        status: isRight ? 200 : 503, contentType: "text/plain; charset=utf-8",
        body: Array((isRight ? "ok\n" : "not \(route == .ready ? "ready" : "healthy")\n").utf8),
        headers: [("Cache-Control", "no-store")]))
  }
}
