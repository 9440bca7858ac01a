import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  /// `/v1/load`: reports each file as it ends, and the progress of all files from time to time.
  func loadBatch(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let request = try await read(exchange, limit: route.largestBody) { (fields) throws(KacheryError) in
      try BatchLoadRequest(fields)
    }
    try await stream(await node.loadFiles(request), to: exchange) { events in
      events.flatMap { MessageStream.frame($0.json) }
    }
  }
}
