import APIModel
import HTTP
import Primitives

extension LocalAPIServer {
  /// - Parameter caller: nil if the route is open, and only then.
  func answer(
    _ route: Route, _ parameters: [String], _ caller: Caller?, _ exchange: HTTPExchange
  ) async throws(KacheryError) {
    switch route {
    case .root: try await showRoot(route, exchange)
    case .pagePart: sendPagePart(parameters, exchange)
    case .probe:
      // A wrong token is better refused here than by a later request.
      guard exchange.head.headers["authorization"] == nil || isTrusted(exchange) || mayRead(exchange) else {
        throw Self.wrongToken
      }
      var probe = await node.probe
      if !mayReadChannels(exchange) { probe.joinedChannels = [] }
      if let isKnown = isKnownUser(exchange) { probe.socket = ProbeReply.Socket(hasAccess: isKnown, port: port) }
      respond(exchange, probe.json)
    case .healthy, .ready: try await showHealth(route, exchange)
    case .halt:
      respond(exchange, ["success": true])
      await node.requestStop()
    case .stats: await showStats(caller, exchange)
    case .metrics:
      let gauges = await node.gauges(namingChannels: caller?.may(read: .channels) ?? false)
      let text = node.metrics.exposition + gauges.map(\.exposition).joined()
      exchange.respond(
        HTTPResponse(contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(text.utf8)))
    case .store: try await store(exchange)
    case .storeFile:
      let fields = try await fields(of: exchange, route)
      let path = try fields.string("localFilePath")
      let name = try fields.optionalString("name") ?? String(path.lastPathName)
      await respondToStore(exchange, name) { (node) throws(KacheryError) in try await node.storeFile(at: path) }
    case .linkFile:
      let request = try LinkRequest(try await fields(of: exchange, route))
      await respondToStore(exchange, String(request.path.lastPathName)) { (node) throws(KacheryError) in
        try await node.linkFile(request)
      }
    case .findFile: try await find(route, exchange)
    case .loadFile: try await load(route, exchange)
    case .peers: respond(exchange, await node.status.json(namingChannels: caller?.may(read: .channels) ?? false))
    case .events: try await streamEvents(caller, exchange)
    case .loadBatch: try await loadBatch(route, exchange)
    case .downloadFileData:
      let request = try DownloadRequest(try await fields(of: exchange, route))
      try await send(try await node.openFile(request), exchange)
    case .read:
      let request = try ReadRequest(try await fields(of: exchange, route))
      try await send(try await node.openRange(request), exchange)
    case .mutableSet, .mutableGet, .mutableDelete: try await answerMutable(route, caller, exchange)
    case .channels, .channelsReload, .channelsCheck: try await answerChannels(route, caller, exchange)
    case .replicate:
      let request = try ReplicationRequest(try await fields(of: exchange, route))
      try await stream(await node.replicate(request), to: exchange) { MessageStream.frame($0.json) }
    case .explain: try await explain(route, exchange)
    case .doctor:
      _ = try await fields(of: exchange, route)
      respond(exchange, await node.checkUp().json)
    case .configuration: respond(exchange, await node.shownSettings)
    case .meeting: try await showMeeting(route, exchange)
    case .storeList, .storeSearch, .storeUsage, .storeVerify, .storeRemove, .storeRemovePreview, .storePin, .storeUnpin,
      .storeCollect, .storeCollectPreview, .storeRelease:
      try await answerStore(route, exchange)
    case .feedCreate, .feedDelete, .feedID, .feedInfo, .feedAppend, .feedSubmit, .feedCount, .feedRules, .feedSetRules,
      .feedWatch:
      try await answerFeed(route, exchange)
    case .feeds: try await answerFeedList(exchange)
    case .feed: try await describeFeed(parameters, exchange)
    case .feedStream: try await streamFeed(parameters, exchange)
    }
  }

  // MARK: Storing

  private func store(_ exchange: HTTPExchange) async throws(KacheryError) {
    let upload: any Upload
    do throws(KacheryError) { upload = try await node.beginUpload() } catch {
      return respond(exchange, Self.storeFailure(error))
    }
    do throws(KacheryError) {
      var count: UInt64 = 0
      while let chunk = try await exchange.nextBodyChunk() {
        try await upload.write(chunk)
        count += UInt64(chunk.count)
      }
      if let announced = exchange.head.contentLength, announced != count {
        throw KacheryError(.disconnected, "\(count) of \(announced) bytes arrived; nothing was stored.")
      }
      let reply = try await upload.finish()
      if let name = exchange.head.headers[ByteString(APIVersion.nameHeader.lowercasedASCII)] {
        await node.noteName(PercentEncoding.decode(name), of: reply.hash)
      }
      respond(exchange, reply.json)
    } catch {
      await upload.cancel()
      respond(exchange, Self.storeFailure(error))
    }
  }

  private func respondToStore(
    _ exchange: HTTPExchange, _ name: String, _ store: (any LocalNode) async throws(KacheryError) -> StoreReply
  ) async {
    do throws(KacheryError) {
      let reply = try await store(node)
      await node.noteName(name, of: reply.hash)
      respond(exchange, reply.json)
    } catch {
      respond(exchange, Self.storeFailure(error))
    }
  }

  /// Both published clients read `success` and `error` in the answer to a store request, whatever the error is.
  private static func storeFailure(_ error: KacheryError) -> JSONValue {
    [
      "success": false, "error": .string(error.message), "code": .string(error.code.rawValue), "sha1": .null,
      "manifestSha1": .null,
    ]
  }

  // MARK: Streams

  func beginMessages(_ exchange: HTTPExchange) {
    exchange.beginStream(
      headers: [("Content-Type", "application/octet-stream")] + policy.crossOriginHeaders(for: exchange.head))
  }

  private func find(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let request = try FindFileRequest(try await fields(of: exchange, route))
    beginMessages(exchange)
    for await found in await node.findFile(request) { try await exchange.write(MessageStream.frame(found.json)) }
    exchange.finish()
  }

  private func load(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let request = try LoadRequest(try await fields(of: exchange, route))
    try await stream(await node.loadFile(request), to: exchange) { MessageStream.frame($0.json) }
  }

  /// Sends the frames of each event; an error is the last message.
  func stream<Event: Sendable>(
    _ events: AsyncThrowingStream<Event, any Error>, to exchange: HTTPExchange, _ frames: (Event) -> [UInt8]
  ) async throws(KacheryError) {
    beginMessages(exchange)
    do {
      for try await event in events { try await exchange.write(frames(event)) }
    } catch let error as KacheryError {
      try await exchange.write(MessageStream.frame(LoadEvent.failure(error)))
    } catch {
      throw KacheryError(.internalError, "The work ended with an unknown error.", cause: error)
    }
    exchange.finish()
  }

  private func send(_ file: any FileBytes, _ exchange: HTTPExchange) async throws(KacheryError) {
    exchange.beginStream(
      headers: [("Content-Type", "application/octet-stream"), ("X-Kachery-Size", String(file.count))]
        + policy.crossOriginHeaders(for: exchange.head))
    var offset: UInt64 = 0
    while offset < file.count {
      do throws(KacheryError) {
        let block = try await file.block(at: offset)
        guard !block.isEmpty else { throw KacheryError(.fileChanged, "The file ends at byte \(offset).") }
        try await exchange.write(block)
        offset += UInt64(block.count)
      } catch {
        // The head was already sent: only a closed connection shows the client that bytes are missing.
        log.warning("A download was cut short: \(error)")
        return exchange.abort()
      }
    }
    exchange.finish()
  }
}
