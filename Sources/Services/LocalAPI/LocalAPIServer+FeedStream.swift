import APIModel
import HTTP
import Primitives

/// `GET /v1/feeds…`: feeds for browsers and tools.
extension LocalAPIServer {
  /// How often an idle stream sends a comment: proxies and browsers close a silent connection after a minute or so.
  private static let heartbeat: Duration = .seconds(15)
  /// Messages read at a time for one stream.
  private static let streamedAtOnce = 256

  func answerFeedList(_ exchange: HTTPExchange) async throws(KacheryError) {
    respond(exchange, ["success": true, "feeds": try await node.listFeeds()])
  }

  func describeFeed(_ parameters: [String], _ exchange: HTTPExchange) async throws(KacheryError) {
    respond(exchange, try await node.describeFeed(try Self.feed(parameters.first)))
  }

  private static func feed(_ text: String?) throws(KacheryError) -> FeedID {
    guard let feed = text.flatMap({ FeedID(hex: $0) }) else {
      throw KacheryError(.badRequest, "A feed's ID has 64 hexadecimal digits.")
    }
    return feed
  }

  /// `GET /v1/feeds/{id}/{subfeed}/stream`: Server-Sent Events (WHATWG HTML, section 9.2), one per message, with the
  /// message's number as `id`. A browser that reconnects sends the last `id` it saw and continues after it.
  func streamFeed(_ parameters: [String], _ exchange: HTTPExchange) async throws(KacheryError) {
    let head = exchange.head
    let key = SubfeedKey(
      try Self.feed(parameters.first), try SubfeedHash(name: .string(parameters.dropFirst().first ?? "")))
    var position = try Self.position(head)
    let isSigned = ["1", "true"].contains(head.query["signed"] ?? "")
    exchange.beginStream(
      headers: [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")]
        + policy.crossOriginHeaders(for: head))
    try await exchange.write(Array(": messages of \(key)\n\n".utf8))
    while !exchange.isCancelled {
      let watch = WatchRequest.Watch(name: "", key: key, position: position, channel: head.query["channel"])
      let request = WatchRequest([watch], wait: Self.heartbeat, count: Self.streamedAtOnce, isSigned: isSigned)
      let messages = try await node.watch(request).first?.messages ?? []
      if messages.isEmpty { try await exchange.write(Array(": still here\n\n".utf8)) }
      for message in messages {
        try await exchange.write(Array("id: \(position)\ndata: ".utf8) + message + Array("\n\n".utf8))
        position += 1
      }
    }
  }

  private static func position(_ head: HTTPRequestHead) throws(KacheryError) -> UInt64 {
    if let last = head.headers["last-event-id"] {
      guard let last = UInt64(last), last < UInt64(Int64.max) else {
        throw KacheryError(.badRequest, "The header 'Last-Event-ID' is not the number of a message.")
      }
      return last + 1
    }
    guard let text = head.query["position"] else { return 0 }
    guard let position = UInt64(text), position < UInt64(Int64.max) else {
      throw KacheryError(.badRequest, "The parameter 'position' is not the number of a message.")
    }
    return position
  }
}
