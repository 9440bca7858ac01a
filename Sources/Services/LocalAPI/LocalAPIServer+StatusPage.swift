import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  func showStats(_ caller: Caller?, _ exchange: HTTPExchange) async {
    guard exchange.head.query["format"] != "html" else { return await showStatusPage(caller, exchange) }
    var stats = JSONObject()
    for (name, value) in node.metrics.values { stats[ByteString(name)] = .integer(Int64(value)) }
    respond(exchange, ["success": true, "format": "json", "stats": .object(stats)])
  }

  /// A page without scripts or external resources: the node, its peers and its counters, and its channels if the caller
  /// may know them.
  func showStatusPage(_ caller: Caller?, _ exchange: HTTPExchange) async {
    let showsChannels = caller?.may(read: .channels) ?? false
    let page = StatusPage(
      probe: await node.probe, status: await node.status,
      channelStates: showsChannels ? await node.channelStates(withAllMembers: false) : [],
      metrics: node.metrics.values, showsChannels: showsChannels)
    exchange.respond(
      HTTPResponse(
        contentType: "text/html; charset=utf-8", body: Array(page.html.utf8),
        headers: [
          ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
          ("X-Frame-Options", "DENY"),
          ("X-Content-Type-Options", "nosniff"),
          // The address of the page may contain a token.
          ("Referrer-Policy", "no-referrer"),
          ("Cache-Control", "no-store"),
        ]))
  }
}
