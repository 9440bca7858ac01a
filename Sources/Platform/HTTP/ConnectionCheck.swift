internal import CCurl
package import Primitives

/// Finds out whether a host accepts TCP connections. Blocks its thread.
package enum ConnectionCheck {
  /// Connects, through the proxy if one is given, and closes the connection without sending anything to the host.
  ///
  /// - Returns: how long connecting took, without resolving the name: to the proxy if there is one.
  /// - Throws: an error that names the cause and what helps; `timedOut` after `timeout`.
  package static func connect(
    to endpoint: Endpoint, by proxy: ProxyAddress?, timeout: Duration
  ) throws(KacheryError) -> Duration {
    guard let handle = curl_easy_init() else { throw KacheryError(.internalError, "There is no memory for a request.") }
    defer { curl_easy_cleanup(handle) }
    if let proxy {
      ProxyTunnel.configure(handle, to: endpoint, by: proxy, timeout: timeout)
    } else {
      CCurl_set_text(handle, CURLOPT_URL, "http://\(endpoint)/")
      CCurl_set_long(handle, CURLOPT_CONNECT_ONLY, 1)
      CCurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
      CCurl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(timeout.wholeMilliseconds))
      CCurl_set_text(handle, CURLOPT_PROXY, "")
    }
    let result = curl_easy_perform(handle)
    guard result != CURLE_OK else { return .microseconds(CCurl_connect_time(handle)) }
    guard let proxy else { throw problem(with: endpoint, result, timeout) }
    let status = CCurl_connect_code(handle)
    let problem = ProxyProblem(proxy: proxy, endpoint: endpoint, timeout: timeout)
    throw status >= 300 ? problem.error(status: status) : problem.error(result)
  }

  private static func problem(with endpoint: Endpoint, _ result: CURLcode, _ timeout: Duration) -> KacheryError {
    switch result {
    case CURLE_COULDNT_RESOLVE_HOST:
      KacheryError(.disconnected, "The name \(endpoint.host) cannot be resolved.")
    case CURLE_OPERATION_TIMEDOUT:
      KacheryError(.timedOut, "It did not answer in time (\(timeout.components.seconds) s).")
    default: KacheryError(.disconnected, "It accepts no connections.")
    }
  }
}
