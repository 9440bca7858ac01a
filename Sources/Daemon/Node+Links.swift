import Links
import NodeCore
import Primitives
import Discovery
import Wire

extension Node {
  /// How long connecting to one address may take.
  private static let dialTime: Duration = .seconds(10)

  func dial(_ id: DialID, _ endpoint: Endpoint, _ expected: NodeID?) {
    log.debug("Dialing \(endpoint)\(expected.map { " for node \($0.short)" } ?? "").")
    dials[id] = host?.dial(to: endpoint, expected: expected, timeout: Self.dialTime) { result in
      self.dials[id] = nil
      switch result {
      case .success(let link): self.linkOpened(link, dial: id)
      case .failure(let error):
        self.log.debug("Dialing \(endpoint) failed: \(error)")
        let problem = DialProblem(endpoint: endpoint, reason: error.message)
        self.input { core, now in core.dialFailed(id, problem, at: now) }
      }
    }
  }

  func linkOpened(_ link: Link, dial: DialID?) {
    guard !isStopping else { return link.close() }
    lastLink += 1
    let id = LinkID(number: lastLink)
    let connection = LinkConnection(id: id, link: link, loop: loop)
    links[id] = connection
    connection.onMessage = { message in self.input { core, now in core.received(message, on: id, at: now) } }
    connection.onFetchStream = { stream, first in self.serve(stream, first, on: id) }
    connection.onBatchStream = { stream, first in self.serveBatch(stream, first, on: id) }
    connection.feeds.onRequest = { request in self.input { core, _ in core.received(request, on: id) } }
    connection.feeds.onAnswer = { answer in self.input { core, now in core.received(answer, on: id, at: now) } }
    connection.feeds.onMessagesLeft = { self.input { core, _ in core.feedMessagesLeft(id) } }
    link.onClose = { error in
      if let error { self.log.debug("The link to node \(link.peer.short) broke: \(error)") }
      self.links[id] = nil
      self.input { core, now in core.linkClosed(id, at: now) }
    }
    connection.start()
    let facts = LinkFacts(peer: link.peer, dial: dial, binding: link.channelBinding, remote: link.remoteEndpoint)
    input { core, now in core.linkOpened(id, facts, at: now) }
  }

  /// Fetch streams of one peer that are served at once: each may hold a few blocks of a file.
  private static let maximumFetchStreams = 256

  private func serve(_ stream: LinkStream, _ first: [UInt8], on link: LinkID) {
    guard servers.values.count(where: { $0.link == link }) < Self.maximumFetchStreams else { return stream.reset() }
    let server = FetchServer(
      link: link, stream: stream, store: store, loop: loop, metrics: counters, gate: uploads,
      arriving: { self.arriving($0) }, barrier: barrier(to: link))
    let key = ObjectIdentifier(server)
    servers[key] = server
    server.start(
      with: first, serve: { Task { await self.serveWaiting(key) } }, gone: { self.servers[key] = nil })
  }

  /// Batch streams of one peer that are served at once.
  private static let maximumBatchStreams = 16

  private func serveBatch(_ stream: LinkStream, _ first: [UInt8], on link: LinkID) {
    guard batchServers.values.count(where: { $0.link == link }) < Self.maximumBatchStreams else {
      return stream.reset()
    }
    let server = BatchServer(
      link: link, stream: stream, store: store, loop: loop, metrics: counters, gate: uploads,
      barrier: barrier(to: link))
    let key = ObjectIdentifier(server)
    batchServers[key] = server
    server.start(with: first) { self.batchServers[key] = nil }
  }

  /// What keeps a stream that a peer opens now from being served, asked again as long as it lasts.
  private func barrier(to link: LinkID) -> (Topic) -> Refusal? {
    let links = servers.values.map(\.link) + batchServers.values.map(\.link)
    let isTooMany = !limits.hasPlace(forPeerWith: links.count { $0 == link }, of: links.count)
    return { topic in
      guard self.core.mayServe(link, over: topic) else { return .notAuthorized }
      return isTooMany ? .limitReached : nil
    }
  }

  private func serveWaiting(_ key: ObjectIdentifier) async { await servers[key]?.serveWaiting() }
}
