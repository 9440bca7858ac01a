import APIModel
import HTTP
import Primitives

/// `/v1/explain` and `/v1/meeting`: why a file cannot be loaded, and how this node meets others.
extension LocalAPIServer {
  func explain(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let fields = try await fields(of: exchange, route)
    respond(exchange, try await node.explain(try fields.string("uri")).json)
  }

  func showMeeting(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let fields = try await fields(of: exchange, route)
    let channel = try fields.optionalString("channel").map { ByteString($0) }
    let state = try await node.meeting(in: channel, refreshes: try fields.optionalBool("refresh") ?? false)
    respond(exchange, state.json)
  }
}
