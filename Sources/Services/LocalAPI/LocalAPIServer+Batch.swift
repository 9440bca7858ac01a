import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  /// `/v1/load`: reports each file as it ends, and the progress of all files from time to time.
  func loadBatch(_ exchange: HTTPExchange) async throws(KacheryError) {
    let body = try await exchange.readBody(limit: Self.maximumBody)
    let request = try BatchLoadRequest(try JSONFields(body: body))
    try await stream(await node.loadFiles(request), to: exchange) { events in
      events.flatMap { MessageStream.frame($0.json) }
    }
  }
}
