internal import CCurl
package import Primitives
import Synchronization
import Threads

/// Opens connections through proxies, all on one thread, which starts with the first one.
///
/// libcurl may wait for a resolver when it cleans up, so it does not run on an event loop.
package final class ProxyTunnels: Sendable {
  private let mailbox = TunnelMailbox()

  package init() {}

  deinit { mailbox.close() }

  /// Asks the proxy for a connection to `endpoint`, whose name only the proxy resolves. `done` is called once, on another
  /// thread, unless the object is released before.
  package func open(
    to endpoint: Endpoint, by proxy: ProxyAddress, timeout: Duration,
    _ done: @escaping @Sendable (Result<TunnelDescriptor, KacheryError>) -> Void
  ) {
    mailbox.send(ProxyTunnel.Request(endpoint: endpoint, proxy: proxy, timeout: timeout, done: done))
  }
}

/// The requests that wait for the thread, and the way to wake it.
private final class TunnelMailbox: Sendable {
  private struct State: Sendable {
    var requests: [ProxyTunnel.Request] = []
    var isClosed = false
    /// libcurl's object while the thread runs; libcurl allows other threads to wake it.
    // Other threads only wake it, under the lock, and the thread clears it, under the lock, before it frees the object.
    nonisolated(unsafe) var multi: UnsafeMutableRawPointer?
  }

  private let state = Mutex(State())

  func send(_ request: ProxyTunnel.Request) {
    let problem: KacheryError? = state.withLock { state in
      do throws(KacheryError) { try startThread(&state) } catch { return error }
      state.requests.append(request)
      curl_multi_wakeup(state.multi)
      return nil
    }
    if let problem { request.done(.failure(problem)) }
  }

  /// Ends the thread soon. Requests under way are dropped.
  func close() {
    state.withLock { state in
      state.isClosed = true
      if state.multi != nil { curl_multi_wakeup(state.multi) }
    }
  }

  private func startThread(_ state: inout State) throws(KacheryError) {
    guard state.multi == nil else { return }
    guard let multi = curl_multi_init() else {
      throw KacheryError(.internalError, "There is no memory for a connection through a proxy.")
    }
    state.multi = multi
    // Used by the new thread alone from now on, except to wake it.
    nonisolated(unsafe) let own = multi
    do throws(KacheryError) { try SystemThread.run(named: "proxies") { self.run(own) } } catch {
      state.multi = nil
      curl_multi_cleanup(multi)
      throw error
    }
  }

  private func run(_ multi: UnsafeMutableRawPointer) {
    var tunnels: [UnsafeMutableRawPointer: ProxyTunnel] = [:]
    while let requests = next() {
      for request in requests {
        guard let tunnel = ProxyTunnel(request) else {
          request.done(.failure(KacheryError(.internalError, "There is no memory for a connection through a proxy.")))
          continue
        }
        tunnels[tunnel.handle] = tunnel
        curl_multi_add_handle(multi, tunnel.handle)
      }
      var running: Int32 = 0
      curl_multi_perform(multi, &running)
      var rest: Int32 = 0
      while let message = curl_multi_info_read(multi, &rest)?.pointee {
        guard message.msg == CURLMSG_DONE, let handle = message.easy_handle,
          let tunnel = tunnels.removeValue(forKey: handle)
        else { continue }
        tunnel.finish(message.data.result)
        curl_multi_remove_handle(multi, handle)
      }
      // The time until libcurl's own next time-out, if that is sooner.
      curl_multi_poll(multi, nil, 0, 60_000, nil)
    }
    for handle in tunnels.keys { curl_multi_remove_handle(multi, handle) }
    tunnels = [:]
    curl_multi_cleanup(multi)
  }

  /// The new requests; nil if the thread is to end.
  private func next() -> [ProxyTunnel.Request]? {
    state.withLock { state in
      guard !state.isClosed else {
        state.multi = nil
        return nil
      }
      defer { state.requests = [] }
      return state.requests
    }
  }
}
