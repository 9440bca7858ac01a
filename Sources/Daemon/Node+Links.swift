import Discovery
import Links
import NodeCore
import Primitives
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
    connection.onFetchStream = { stream, first in self.uploads.serveFetches(stream, first, on: id) }
    connection.onBatchStream = { stream, first in self.uploads.serveBatches(stream, first, on: id) }
    connection.feeds.onRequest = { request in self.input { core, _ in core.received(request, on: id) } }
    connection.feeds.onAnswer = { answer in self.input { core, now in core.received(answer, on: id, at: now) } }
    connection.feeds.onMessagesLeft = { self.input { core, _ in core.feedMessagesLeft(id) } }
    link.onClose = { error in
      if let error { self.log.debug("The link to node \(link.peer.short) broke: \(error)") }
      self.links[id] = nil
      self.uploads.linkEnded(id)
      self.input { core, now in core.linkClosed(id, at: now) }
    }
    connection.start()
    let facts = LinkFacts(peer: link.peer, dial: dial, binding: link.channelBinding, remote: link.remoteEndpoint)
    input { core, now in core.linkOpened(id, facts, at: now) }
  }
}
