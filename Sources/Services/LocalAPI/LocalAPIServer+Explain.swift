import APIModel
import HTTP
import Primitives

/// `/v1/explain`: why a file cannot be loaded.
extension LocalAPIServer {
  func explain(_ exchange: HTTPExchange) async throws(KacheryError) {
    let fields = try JSONFields(body: try await exchange.readBody(limit: Self.maximumBody))
    respond(exchange, try await node.explain(try fields.string("uri")).json)
  }
}
