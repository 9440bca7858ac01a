import EventLoop
import Primitives
import TLS

/// A connection that is on its way to becoming a link.
final class LinkHandshake {
  let isIncoming: Bool
  let remoteHost: String?

  private let host: LinkHost
  private let connection: TCPConnection
  private let session: TLSSession
  private var done: ((Result<Link, KacheryError>) -> Void)?
  private var deadline: Timer?

  init(host: LinkHost, connection: TCPConnection, session: TLSSession, isIncoming: Bool) {
    self.host = host
    self.connection = connection
    self.session = session
    self.isIncoming = isIncoming
    remoteHost = connection.remoteEndpoint?.host
  }

  func start(timeout: Duration, _ done: @escaping (Result<Link, KacheryError>) -> Void) {
    self.done = done
    deadline = host.loop.after(timeout) { [weak self] in
      self?.finish(.failure(KacheryError(.timedOut, "The handshake took longer than \(timeout.components.seconds) s.")))
    }
    connection.onEnd = { [weak self] error in
      self?.finish(.failure(error ?? KacheryError(.disconnected, "The other side closed during the handshake.")))
    }
    receiveForLink(nil)
    session.drainOutput { connection.write($0) }
    connection.resumeReading()
  }

  /// Until the session is established bytes go to it alone; what it yields then belongs to the link.
  private func receiveForLink(_ established: Link?) {
    var link = established
    connection.onData = { [host, connection, session] ciphertext in
      do throws(KacheryError) {
        try session.receive(ciphertext, scratch: host.scratch) { plaintext in
          if link == nil { link = self.becomeLink() }
          link?.receive(plaintext)
        }
        session.drainOutput { connection.write($0) }
        if link == nil, session.isEstablished { link = self.becomeLink() }
        if session.isClosedByPeer { link?.connectionEnded(nil) }
      } catch {
        session.drainOutput { connection.write($0) }
        if let link { link.fail(error) } else { self.finish(.failure(error)) }
      }
    }
  }

  private func becomeLink() -> Link? {
    guard done != nil, let peer = session.peer else { return nil }
    // The client's last flight must go before anything that the link sends.
    session.drainOutput { connection.write($0) }
    do throws(KacheryError) {
      let link = try Link(
        loop: host.loop, connection: connection, session: session, peer: peer, isDialer: !isIncoming)
      connection.onEnd = { [weak link] error in link?.connectionEnded(error) }
      finish(.success(link))
      return link
    } catch {
      finish(.failure(error))
      return nil
    }
  }

  /// Gives up and says so.
  func fail(_ error: KacheryError) { finish(.failure(error)) }

  private func finish(_ result: Result<Link, KacheryError>) {
    deadline?.cancel()
    deadline = nil
    if case .failure = result { connection.close() }
    let tell = done
    done = nil
    tell?(result)
  }
}
