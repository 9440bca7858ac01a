import EventLoop
package import HTTP
import Primitives

/// Dials through the proxy that the rules name. Bound to the loop.
package final class ProxyDialer {
  /// How long until the same problem with the proxy is reported again.
  private static let reportPeriod: Duration = .seconds(600)
  /// The most problems that are remembered.
  private static let maximumReports = 64

  package let settings: ProxySettings
  /// Receives what its owner has to correct, a sentence for the log.
  package var onProblem: ((String) -> Void)?

  private let tunnels = ProxyTunnels()
  private var reportedAt: [ByteString: Instant] = [:]

  /// A dialer that follows these settings.
  package init(_ settings: ProxySettings = ProxySettings()) { self.settings = settings }

  /// Whether this host is dialed without a proxy.
  func dialsDirectly(_ host: String) -> Bool {
    do throws(KacheryError) { return try settings.rules.proxy(for: host) == nil } catch { return false }
  }

  /// Dials `endpoint` through the proxy. `done` is called once, on the loop, never before this returns and not after a
  /// cancel.
  ///
  /// - Returns: nil if the rules let this host be dialed directly.
  func dial(
    on loop: EventLoop, to endpoint: Endpoint, timeout: Duration,
    _ done: @escaping (Result<TCPConnection, KacheryError>) -> Void
  ) -> (any PendingDial)? {
    do throws(KacheryError) {
      guard let proxy = try settings.rules.proxy(for: endpoint.host) else { return nil }
      let dial = ProxyDial(done)
      let report = loop.receiver { [weak self] (result: Result<TunnelDescriptor, KacheryError>) in
        if case .failure(let error) = result { self?.note(error, endpoint.port, at: loop.now) }
        dial.finish(result, loop, endpoint)
      }
      tunnels.open(to: endpoint, by: proxy, timeout: timeout, report)
      return dial
    } catch {
      note(error, endpoint.port, at: loop.now)
      let dial = ProxyDial(done)
      _ = loop.after(.zero) { dial.finish(.failure(error), loop, endpoint) }
      return dial
    }
  }

  /// Reports a problem unless it was reported lately. Where a proxy does not lead is no problem: most addresses of other
  /// nodes are like that.
  private func note(_ error: KacheryError, _ port: UInt16, at now: Instant) {
    // Bootstrap nodes are dialed at the last port that a proxy would forbid as well.
    guard error.code == .badConfiguration || error.code == .forbidden && port == Endpoint.httpsPort else { return }
    // One host that is not allowed stands for all.
    let key = ByteString(error.code == .forbidden ? error.code.rawValue : error.message)
    if let last = reportedAt[key], now - last < Self.reportPeriod { return }
    if reportedAt.count >= Self.maximumReports { reportedAt = [:] }
    reportedAt[key] = now
    onProblem?(error.message)
  }
}

/// An attempt to open a path through a proxy. Bound to the loop.
///
/// A cancelled one ends with its result or its time limit, and the connection is closed.
private final class ProxyDial: PendingDial {
  private var done: ((Result<TCPConnection, KacheryError>) -> Void)?

  init(_ done: @escaping (Result<TCPConnection, KacheryError>) -> Void) { self.done = done }

  func cancel() { done = nil }

  func finish(_ result: Result<TunnelDescriptor, KacheryError>, _ loop: EventLoop, _ endpoint: Endpoint) {
    guard let tell = done else { return }
    done = nil
    tell(
      result.flatMap { tunnel in
        Result { () throws(KacheryError) in
          try TCPConnection.adopt(tunnel.take() ?? -1, through: endpoint, on: loop)
        }
      })
  }
}
