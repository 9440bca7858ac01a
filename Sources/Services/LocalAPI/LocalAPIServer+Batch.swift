import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  /// `/v1/load`: each file is told of as it ends, and how far all of it is now and then.
  func loadBatch(_ exchange: HTTPExchange) async throws(KacheryError) {
    let body = try await exchange.readBody(limit: Self.maximumBody)
    let request = try BatchLoadRequest(try JSONFields(body: body))
    beginMessages(exchange)
    do {
      for try await event in await node.loadFiles(request) {
        try await exchange.write(MessageStream.frame(event.json))
      }
    } catch let error as KacheryError {
      try await exchange.write(MessageStream.frame(LoadEvent.failure(error)))
    } catch {
      throw KacheryError(.internalError, "The load ended in an unknown way.", cause: error)
    }
    exchange.finish()
  }
}
