import EventLoop
import Primitives

/// Dials that no round waits for anymore, for the next round to the same endpoint. Bound to the loop.
///
/// A router remembers a dial for minutes, and lets the other node's in all that time. If this node had given up its own,
/// its listener would answer with a sequence number that the router does not know, and the router would drop that
/// answer. The half-open connection would then prevent further dials for as long as the other node repeats its own.
final class KeptDials {
  /// How long a dial is kept, which is about as long as the kernel repeats its SYN, and routers remember it.
  static let time: Duration = .seconds(120)
  /// The most dials that are kept; the oldest is given up for a further one.
  static let maximumCount = 32

  private final class Kept {
    let dial: SingleDial
    /// The connection to which it has led.
    var connection: TCPConnection?
    var timer: Timer?

    init(_ dial: SingleDial) { self.dial = dial }

    func abort() {
      timer?.cancel()
      dial.abort()
      connection?.abort()
    }
  }

  private let loop: EventLoop
  private var kept: [Endpoint: Kept] = [:]
  /// The endpoints of all that is kept, oldest first.
  private var order: [Endpoint] = []

  init(loop: EventLoop) { self.loop = loop }

  /// How many dials, and connections to which they have led, are kept.
  var count: Int { kept.count }

  /// Keeps an unfinished dial of this endpoint.
  func keep(_ dial: SingleDial, of endpoint: Endpoint) {
    remove(endpoint)?.abort()
    if order.count == Self.maximumCount, let oldest = order.first { remove(oldest)?.abort() }
    let new = Kept(dial)
    kept[endpoint] = new
    order.append(endpoint)
    new.timer = loop.after(Self.time) { [weak self] in self?.remove(endpoint)?.abort() }
    dial.redirect { [weak self, weak new] result in
      guard let self, let new else { return (try? result.get())?.abort() ?? () }
      switch result {
      case .success(let connection): new.connection = connection
      case .failure: remove(endpoint)?.abort()
      }
    }
  }

  /// The connection to which a dial of this endpoint has led; nil if there is none. A dial that is not finished is given
  /// up: the caller dials immediately, so there is no time without one.
  func take(_ endpoint: Endpoint) -> TCPConnection? {
    guard let kept = remove(endpoint) else { return nil }
    kept.timer?.cancel()
    if kept.connection == nil { kept.dial.abort() }
    return kept.connection
  }

  @discardableResult
  private func remove(_ endpoint: Endpoint) -> Kept? {
    guard let removed = kept.removeValue(forKey: endpoint) else { return nil }
    order.removeAll { $0 == endpoint }
    return removed
  }

  func close() {
    for kept in kept.values { kept.abort() }
    (kept, order) = ([:], [])
  }
}
