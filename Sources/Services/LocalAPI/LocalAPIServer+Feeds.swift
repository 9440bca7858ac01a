import APIModel
import Crypto
import HTTP
import Primitives

/// `/feed/*`: feeds as the published clients use them.
///
/// These clients read `success` and `error` in each answer, so a feed that cannot be used does not fail the request.
extension LocalAPIServer {
  func answerFeed(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    guard route == .feedAppend else {
      let fields = try await fields(of: exchange, route)
      return try await report(to: exchange) { () async throws(KacheryError) in
        try await answerFeed(route, fields, exchange)
      }
    }
    // Of many messages, the numbers are checked away from the loop as well.
    let request = try await read(exchange, limit: route.largestBody) { (fields) throws(KacheryError) in
      Result { () throws(KacheryError) in try Self.checked(try AppendRequest(fields)) }
    }
    try await report(to: exchange) { () async throws(KacheryError) in
      try await node.append(try request.get())
      respond(exchange, ["success": true])
    }
  }

  private func report(
    to exchange: HTTPExchange, _ answer: () async throws(KacheryError) -> Void
  ) async throws(KacheryError) {
    do throws(KacheryError) { try await answer() } catch {
      guard error.code != .badRequest, error.code != .disconnected else { throw error }
      respond(
        exchange, ["success": false, "error": .string(error.message), "code": .string(error.code.rawValue)])
    }
  }

  private func answerFeed(_ route: Route, _ fields: JSONFields, _ exchange: HTTPExchange) async throws(KacheryError) {
    switch route {
    case .feedCreate:
      let name = try fields.optionalString("feedName")
      if let name { try FeedName.require(name) }
      let feed = try await node.createFeed(named: name)
      respond(exchange, ["success": true, "feedId": .string(feed.hex)])
    case .feedDelete: try await deleteFeed(try fields.fixed("feedId"), exchange)
    case .feedID:
      let feed = try await node.feed(named: try fields.string("feedName"))
      respond(exchange, ["success": .bool(feed != nil), "feedId": feed.map { .string($0.hex) } ?? .null])
    case .feedInfo:
      let timeout = try fields.optionalMilliseconds("timeoutMsec", longest: .seconds(600)) ?? .seconds(6)
      let info = try await node.feedInfo(try fields.fixed("feedId"), timeout: timeout)
      respond(
        exchange,
        [
          "success": true, "isWriteable": .bool(info.isWriteable),
          "nodeId": info.node.map { .string($0.hex) } ?? .null,
        ])
    case .feedSubmit:
      let request = try SubmitRequest(fields)
      try SignedMessage.checkNumbers(of: .object(request.message), at: .root.member("message"))
      try await node.submit(request)
      respond(exchange, ["success": true])
    case .feedCount:
      let count = try await node.messageCount(of: try fields.subfeedKey())
      respond(exchange, ["success": true, "numMessages": .integer(Int64(clamping: count))])
    case .feedRules:
      respond(exchange, ["success": true, "accessRules": try await node.accessRules(of: try fields.subfeedKey()).json])
    case .feedSetRules:
      let rules = try AccessRules(json: try fields.anyValue("accessRules"))
      try await node.setAccessRules(rules, of: try fields.subfeedKey())
      respond(exchange, ["success": true])
    case .feedWatch: try await watch(try WatchRequest(fields), exchange)
    default: throw KacheryError(.internalError, "\(route.rawValue) is not a route for feeds.")
    }
  }

  /// The request, if all its numbers can be signed unchanged. Checked here because the error can name the place in the
  /// client's own request.
  private static func checked(_ request: AppendRequest) throws(KacheryError) -> AppendRequest {
    let messages = JSONPlace.root.member("messages")
    for (index, message) in request.messages.enumerated() {
      try SignedMessage.checkNumbers(of: .object(message), at: messages.element(index))
    }
    if let metaData = request.metaData {
      try SignedMessage.checkNumbers(of: .object(metaData), at: .root.member("metaData"))
    }
    return request
  }

  private func deleteFeed(_ feed: FeedID, _ exchange: HTTPExchange) async throws(KacheryError) {
    guard try await node.deleteFeed(feed) else {
      throw KacheryError(.notFound, "There is no feed \(feed) on this node.")
    }
    respond(exchange, ["success": true])
  }

  private func watch(_ request: WatchRequest, _ exchange: HTTPExchange) async throws(KacheryError) {
    let found = try await node.watch(request)
    // Assembled as bytes: the messages are JSON already, and there may be many.
    var body = Array("{\"success\":true,\"messages\":{".utf8)
    for (index, watched) in found.enumerated() {
      if index > 0 { body.append(UInt8(ascii: ",")) }
      body += JSONValue.string(watched.name).compactBytes
      body += Array(":[".utf8)
      for (place, message) in watched.messages.enumerated() {
        if place > 0 { body.append(UInt8(ascii: ",")) }
        body += message
      }
      body.append(UInt8(ascii: "]"))
    }
    body += Array("}}".utf8)
    exchange.respond(
      HTTPResponse(
        contentType: "application/json", body: body, headers: policy.crossOriginHeaders(for: exchange.head)))
  }
}
