import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  /// `/v1/load`: each file is told of as it ends, and how far all of it is now and then.
  func loadBatch(_ exchange: HTTPExchange) async throws(KacheryError) {
    let body = try await exchange.readBody(limit: Self.maximumBody)
    let request = try BatchLoadRequest(try JSONFields(body: body))
    try await stream(await node.loadFiles(request), to: exchange) { events in
      events.flatMap { MessageStream.frame($0.json) }
    }
  }
}
