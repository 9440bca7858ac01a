import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  func showStats(_ exchange: HTTPExchange) async {
    guard exchange.head.query["format"] != "html" else { return await showStatusPage(exchange) }
    var stats = JSONObject()
    for (name, value) in node.metrics.values { stats[ByteString(name)] = .integer(Int64(value)) }
    respond(exchange, ["success": true, "format": "json", "stats": .object(stats)])
  }

  /// One page without scripts or anything from elsewhere: what the node is, whom it sees and what it has done.
  func showStatusPage(_ exchange: HTTPExchange) async {
    let page = StatusPage(probe: await node.probe, status: await node.status, metrics: node.metrics.values)
    exchange.respond(
      HTTPResponse(
        contentType: "text/html; charset=utf-8", body: Array(page.html.utf8),
        headers: [
          ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
          ("X-Content-Type-Options", "nosniff"),
        ]))
  }
}
