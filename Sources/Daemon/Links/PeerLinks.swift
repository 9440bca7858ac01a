import Diagnostics
import Discovery
import EventLoop
import Links
import NodeCore
import Primitives
import TLS
import Wire

/// The node's links, and its attempts to open more. Bound to the loop.
final class PeerLinks {
  /// How long connecting to one address may take.
  private static let dialTime: Duration = .seconds(10)

  /// A peer has opened a stream to fetch from, or to ask for many small files.
  var onStream: (StreamKind, any ByteStream, _ first: [UInt8], LinkID) -> Void = { _, stream, _, _ in stream.reset() }
  /// A link, and with it every stream that it carried, has ended.
  var onClosed: (LinkID) -> Void = { _ in }

  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private let host: LinkHost
  private var links: [LinkID: LinkConnection] = [:]
  private var dials: [DialID: LinkAttempt] = [:]
  private var lastLink: UInt64 = 0
  private var isStopped = false

  init(_ identity: TLSIdentity, driver: CoreDriver, loop: EventLoop, log: Log) {
    self.driver = driver
    self.loop = loop
    self.log = log
    host = LinkHost(loop: loop, identity: identity)
    host.onLink = { [weak self] link in self?.opened(link, dial: nil) }
    host.onRefused = { endpoint, error in
      log.debug("A connection from \(endpoint?.description ?? "somewhere") came to nothing: \(error)")
    }
  }

  /// Accepts links on this address, or on any IPv4 address if it is `::` and the kernel has no IPv6.
  ///
  /// - Returns: the address, with the port that the kernel chose if `port` is 0.
  func listen(host name: String, port: UInt16) throws(KacheryError) -> Endpoint {
    do throws(KacheryError) { return try host.listen(host: name, port: port) } catch {
      guard name == "::", error.code != .alreadyRunning else { throw error }
      return try host.listen(host: "0.0.0.0", port: port)
    }
  }

  func perform(_ effect: LinkEffect) {
    switch effect {
    case .dial(let id, let endpoint, let expected): dial(id, endpoint, expected)
    case .cancelDial(let id): dials.removeValue(forKey: id)?.cancel()
    case .send(let link, let message): send(message, to: link)
    case .close(let link, let goodbye): links[link]?.close(goodbye)
    case .feedRequest(let link, let request): links[link]?.feeds.ask(request)
    case .feedAnswer(let link, let answer): links[link]?.feeds.answer(answer)
    case .feedBytesReleased(let link, let count): links[link]?.feeds.released(count)
    }
  }

  func send(_ message: ControlMessage, to link: LinkID) { links[link]?.send(message) }

  /// Opens streams over the link with this ID; nil once it has ended.
  func opener(_ id: LinkID) -> StreamOpener? {
    guard let link = links[id]?.link else { return nil }
    return { link.openStream(window: $0) }
  }

  /// Says goodbye to every peer, and opens and accepts no more links.
  func stop() {
    isStopped = true
    host.close()
    for attempt in dials.values { attempt.cancel() }
    for connection in links.values { connection.close(Goodbye(.stopping, "the node is stopping")) }
  }

  private func dial(_ id: DialID, _ endpoint: Endpoint, _ expected: NodeID?) {
    log.debug("Dialing \(endpoint)\(expected.map { " for node \($0.short)" } ?? "").")
    dials[id] = host.dial(to: endpoint, expected: expected, timeout: Self.dialTime) { [weak self] result in
      guard let self else { return }
      dials[id] = nil
      switch result {
      case .success(let link): opened(link, dial: id)
      case .failure(let error):
        log.debug("Dialing \(endpoint) failed: \(error)")
        let problem = DialProblem(endpoint: endpoint, reason: error.message)
        driver.input { $0.dialFailed(id, problem, at: $1) }
      }
    }
  }

  private func opened(_ link: Link, dial: DialID?) {
    guard !isStopped else { return link.close() }
    lastLink += 1
    let id = LinkID(number: lastLink)
    let connection = LinkConnection(id: id, link: link, loop: loop)
    links[id] = connection
    let driver = driver
    connection.onMessage = { message in driver.input { $0.received(message, on: id, at: $1) } }
    connection.onFetchStream = { [weak self] stream, first in self?.onStream(.fetch, stream, first, id) }
    connection.onBatchStream = { [weak self] stream, first in self?.onStream(.batch, stream, first, id) }
    connection.feeds.onRequest = { request in driver.input { core, _ in core.received(request, on: id) } }
    connection.feeds.onAnswer = { answer in driver.input { $0.received(answer, on: id, at: $1) } }
    connection.feeds.onMessagesLeft = { driver.input { core, _ in core.feedMessagesLeft(id) } }
    link.onClose = { [weak self, log] error in
      if let error { log.debug("The link to node \(link.peer.short) broke: \(error)") }
      self?.links[id] = nil
      self?.onClosed(id)
      driver.input { $0.linkClosed(id, at: $1) }
    }
    connection.start()
    let facts = LinkFacts(peer: link.peer, dial: dial, binding: link.channelBinding, remote: link.remoteEndpoint)
    driver.input { $0.linkOpened(id, facts, at: $1) }
  }
}
