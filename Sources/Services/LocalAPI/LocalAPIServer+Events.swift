import APIModel
import EventLoop
import HTTP
import Primitives

/// `GET /v1/events`: what the node does, as server-sent events (WHATWG HTML, section 9.2).
extension LocalAPIServer {
  /// Streams the latest state of each kind. A client that reads slowly gets the state of the moment at which it reads.
  func streamEvents(_ caller: Caller?, _ exchange: HTTPExchange) async throws(KacheryError) {
    guard let caller else { throw Self.wrongToken }
    guard events.open(on: loop, { due in Task { await self.refreshEvents(due) } }) else {
      return refuse(
        exchange, status: 503, "\(EventStreams.maximumStreams) streams of events are open; close one of them first.")
    }
    defer { events.end() }
    exchange.beginStream(
      headers: [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")]
        + policy.crossOriginHeaders(for: exchange.head))
    try await exchange.write(EventStream.event("session", await session(of: caller).compactBytes))
    var reader = EventBoard.Reader(readsChannels: caller.may(read: .channels))
    let renewsToken = exchange.head.query["renew"] == "token" && mayRenewToken(caller)
    var shownToken: String?
    while !exchange.isCancelled {
      var news = events.board.news(for: &reader)
      if renewsToken, let token = currentToken, token != shownToken {
        news += EventStream.event("token", (["token": .string(token)] as JSONValue).compactBytes)
        shownToken = token
      }
      try await exchange.write(news)
      // What it has not taken must not queue up behind what it takes.
      try await exchange.drain()
      await events.nextLook()
    }
  }

  /// A client with the full token can read the next one in the storage directory; a page in a browser cannot.
  private func mayRenewToken(_ caller: Caller) -> Bool { caller == .owner || caller == .groupMember }

  /// What stays the same while the daemon runs.
  private func session(of caller: Caller) async -> JSONValue {
    let probe = await node.probe
    let routes = Route.allCases.filter { $0.isOpen || caller.may(use: $0) }.map(\.rawValue)
    return [
      "nodeId": .string(probe.node.hex), "isBootstrapNode": .bool(probe.isBootstrap),
      "version": .string(APIVersion.daemon), "storageDirectory": .string(probe.storageDirectory),
      "readsChannels": .bool(caller.may(read: .channels)), "routes": .array(routes.map { .string($0) }),
    ]
  }

  private func refreshEvents(_ due: EventStreams.Due) async {
    defer { events.refreshed() }
    postTransfers(await node.transfers)
    if due.status { post(await node.status) }
    guard due.channels else { return }
    let states = await node.channelStates(withAllMembers: false)
    // A document may list thousands.
    let bytes = try? await loop.onPool { (["channels": .array(states.map(\.json))] as JSONValue).compactBytes }
    if let bytes { events.board.post(.channels, bytes: bytes) }
  }

  private func postTransfers(_ transfers: [TransferState]) {
    let rates = events.transferRates.take(transfers.map { ($0.id, $0.bytes) }, at: loop.now)
    let rows = zip(transfers, rates).map { $0.json(rate: $1) }
    events.board.post(.transfers, ["transfers": .array(rows)])
  }

  private func post(_ status: NodeStatus) {
    let stats = node.metrics.values
    let bytes = ["kachery_file_bytes_received_total", "kachery_file_bytes_sent_total"].map { name in
      (name, UInt64(clamping: stats.first { ByteString($0.name) == ByteString(name) }?.value ?? 0))
    }
    let rates = events.totalRates.take(bytes, at: loop.now)
    var counters = JSONObject()
    for (name, value) in stats { counters[ByteString(name)] = .integer(Int64(value)) }
    events.board.post(
      .status,
      [
        "label": .string(status.label), "listening": .string(status.listening),
        "introduces": status.introduces.map { .string($0) } ?? .null,
        // All readers get the same.
        "gateway": status.gateway?.withoutNames.json ?? .null, "uptimeSeconds": .integer(Int64(status.uptime)),
        "linkedNodes": .integer(Int64(status.peers.count)),
        "receivedBytesPerSecond": .integer(Int64(rates[0].rounded())),
        "sentBytesPerSecond": .integer(Int64(rates[1].rounded())), "stats": .object(counters),
      ])
    events.board.post(.peers, ["peers": .array(status.peers.map(\.json))])
    events.board.post(.notices, ["notices": .array(status.notices.map(\.json))])
  }
}
