import Diagnostics
package import EventLoop
package import Primitives
package import TLS

/// Opens and accepts the links of one node: TCP, then TLS 1.3 with both node IDs proved. Bound to the loop.
package final class LinkHost {
  /// How long a handshake may take.
  package static let handshakeTime: Duration = .seconds(10)
  /// Connections that may be in their handshake at once: what strangers can make a node hold.
  package static let maximumHandshakes = 256
  /// The same for one address.
  package static let maximumHandshakesPerAddress = 32

  /// Called for each link that another node has opened.
  package var onLink: ((Link) -> Void)?
  /// Called for each connection that another side opened and that came to nothing, for the log.
  package var onRefused: ((Endpoint?, KacheryError) -> Void)?

  let loop: EventLoop
  let identity: TLSIdentity
  let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
  private var listener: TCPListener?
  private var isClosed = false
  private var handshakes: [ObjectIdentifier: LinkHandshake] = [:]
  private let handshakeTime: Duration

  /// A host that shows `identity`.
  package init(loop: EventLoop, identity: TLSIdentity, handshakeTime: Duration = LinkHost.handshakeTime) {
    self.loop = loop
    self.identity = identity
    self.handshakeTime = handshakeTime
  }

  deinit { scratch.deallocate() }

  /// Connections that are in their handshake.
  package var openHandshakes: Int { handshakes.count }

  /// Accepts links on this address; returns where, with the port that the kernel chose if 0 was asked for.
  package func listen(host: String, port: UInt16) throws(KacheryError) -> Endpoint {
    let listener = try TCPListener.listen(on: loop, host: host, port: port)
    guard let endpoint = listener.endpoint else {
      listener.close()
      throw KacheryError(.internalError, "The listening address is unknown.")
    }
    listener.onConnection = { [weak self] in self?.accept($0) }
    self.listener = listener
    return endpoint
  }

  private func accept(_ connection: TCPConnection) {
    let host = connection.remoteEndpoint?.host
    let ofSameAddress = handshakes.values.count { $0.isIncoming && $0.remoteHost == host }
    guard handshakes.count < Self.maximumHandshakes, ofSameAddress < Self.maximumHandshakesPerAddress else {
      return connection.close()
    }
    start(connection, role: .server, expected: nil, timeout: handshakeTime) { [weak self] result in
      switch result {
      case .success(let link): if let onLink = self?.onLink { onLink(link) } else { link.close() }
      case .failure(let error): self?.onRefused?(connection.remoteEndpoint, error)
      }
    }
  }

  /// Opens a link to `endpoint`. `done` is called once, on the loop, never before this returns.
  ///
  /// - Parameter expected: who must answer; nil for anybody who proves an ID.
  package func dial(
    to endpoint: Endpoint, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> LinkAttempt {
    let attempt = LinkAttempt()
    attempt.connecting = TCPConnection.connect(on: loop, to: endpoint, timeout: timeout) { [weak self] result in
      attempt.connecting = nil
      switch result {
      case .failure(let error): done(.failure(error))
      case .success(let connection):
        guard let self, !self.isClosed else {
          connection.close()
          return done(.failure(Self.closing))
        }
        attempt.handshake = self.start(
          connection, role: .client, expected: expected, timeout: self.handshakeTime
        ) { result in
          attempt.handshake = nil
          if !attempt.isCancelled { done(result) }
        }
      }
    }
    return attempt
  }

  @discardableResult
  private func start(
    _ connection: TCPConnection, role: TLSSession.Role, expected: NodeID?, timeout: Duration,
    _ done: @escaping (Result<Link, KacheryError>) -> Void
  ) -> LinkHandshake? {
    let session: TLSSession
    do throws(KacheryError) {
      session = try TLSSession(identity: identity, role: role, expectedPeer: expected)
    } catch {
      connection.close()
      done(.failure(error))
      return nil
    }
    let handshake = LinkHandshake(host: self, connection: connection, session: session, isIncoming: role == .server)
    let key = ObjectIdentifier(handshake)
    handshakes[key] = handshake
    handshake.start(timeout: timeout) { [weak self] result in
      self?.handshakes[key] = nil
      done(result)
    }
    return handshake
  }

  private static var closing: KacheryError { KacheryError(.cancelled, "The node is not accepting new links.") }

  /// Stops accepting and gives up every handshake, which whoever dialed is told. Links stay. Idempotent.
  package func close() {
    isClosed = true
    listener?.close()
    listener = nil
    onLink = nil
    onRefused = nil
    for handshake in handshakes.values { handshake.fail(Self.closing) }
  }
}

/// An attempt to open a link.
package final class LinkAttempt {
  fileprivate(set) var connecting: ConnectAttempt?
  fileprivate(set) var handshake: LinkHandshake?
  fileprivate private(set) var isCancelled = false

  /// Gives up; nothing is called afterwards. Idempotent.
  package func cancel() {
    isCancelled = true
    connecting?.cancel()
    connecting = nil
    // The host must hear of it: a handshake that it still counted would take another's place for ever.
    handshake?.fail(KacheryError(.cancelled, "The attempt was given up."))
  }
}
