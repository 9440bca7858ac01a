import APIModel
import HTTP
import Primitives

/// `/v1/explain`: why a file cannot be loaded.
extension LocalAPIServer {
  func explain(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let fields = try await fields(of: exchange, route)
    respond(exchange, try await node.explain(try fields.string("uri")).json)
  }
}
