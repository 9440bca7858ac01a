import EventLoop
import Primitives

/// A path that is on its way to becoming a link, with its deadline.
final class LinkHandshake {
  let isIncoming: Bool
  let remoteEndpoint: Endpoint?
  /// What the handshakes of one end site have in common; nil if the path has no address.
  let origin: [UInt8]?
  let startedAt: Instant

  private let loop: EventLoop
  private let handshake: any CarrierHandshake
  private var done: ((Result<Link, KacheryError>) -> Void)?
  private var deadline: Timer?

  init(loop: EventLoop, handshake: any CarrierHandshake, isIncoming: Bool) {
    self.loop = loop
    self.handshake = handshake
    self.isIncoming = isIncoming
    startedAt = loop.now
    remoteEndpoint = handshake.remoteEndpoint
    origin = handshake.remoteEndpoint.flatMap { IPAddress($0.host)?.endSite }
  }

  func start(timeout: Duration, _ done: @escaping (Result<Link, KacheryError>) -> Void) {
    self.done = done
    deadline = loop.after(timeout) { [weak self] in
      self?.fail(KacheryError(.timedOut, "The handshake took longer than \(timeout.components.seconds) s."))
    }
    handshake.start { [weak self, loop] result in
      self?.finish(result.map { Link(loop: loop, carrier: $0) })
    }
  }

  /// Gives up, for this reason. Has no effect on a handshake that is over.
  func fail(_ error: KacheryError) { finish(.failure(error)) }

  private func finish(_ result: Result<Link, KacheryError>) {
    guard let tell = done else { return }
    done = nil
    deadline?.cancel()
    deadline = nil
    if case .failure = result { handshake.cancel() }
    tell(result)
  }
}
