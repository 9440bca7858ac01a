internal import CCurl
internal import Glibc
import Primitives
import Synchronization

/// A connection to another host that a proxy has opened, as a descriptor for which the owner is responsible.
package final class TunnelDescriptor: Sendable {
  private let descriptor: Mutex<Int32>

  fileprivate init(_ descriptor: Int32) { self.descriptor = Mutex(descriptor) }

  deinit { if let descriptor = take() { close(descriptor) } }

  /// The descriptor, which the caller must close; nil if it was taken before.
  package func take() -> Int32? {
    descriptor.withLock { descriptor in
      defer { descriptor = -1 }
      return descriptor < 0 ? nil : descriptor
    }
  }
}

/// One request to a proxy, used by one thread.
final class ProxyTunnel {
  let handle: UnsafeMutableRawPointer
  private let request: Request

  /// What is wanted.
  struct Request: Sendable {
    let endpoint: Endpoint
    let proxy: ProxyAddress
    let timeout: Duration
    let done: @Sendable (Result<TunnelDescriptor, KacheryError>) -> Void
  }

  init?(_ request: Request) {
    guard let handle = curl_easy_init() else { return nil }
    self.handle = handle
    self.request = request
    configure()
  }

  deinit { curl_easy_cleanup(handle) }

  private func configure() {
    Self.configure(handle, to: request.endpoint, by: request.proxy, timeout: request.timeout)
  }

  /// Makes the handle ask the proxy for a connection to the endpoint, and send nothing to it.
  static func configure(
    _ handle: UnsafeMutableRawPointer, to endpoint: Endpoint, by proxy: ProxyAddress, timeout: Duration
  ) {
    // With https, libcurl would start its own TLS inside the tunnel.
    CCurl_set_text(handle, CURLOPT_URL, "http://\(endpoint)/")
    CCurl_set_long(handle, CURLOPT_CONNECT_ONLY, 1)
    CCurl_set_long(handle, CURLOPT_HTTPPROXYTUNNEL, 1)
    CCurl_set_long(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    CCurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
    CCurl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Int(timeout.wholeMilliseconds))
    CCurl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(timeout.wholeMilliseconds))
    CCurl_set_text(handle, CURLOPT_PROXY, "\(proxy)")
    // The caller has decided that the proxy is to be used.
    CCurl_set_text(handle, CURLOPT_NOPROXY, "")
    CCurl_set_text(handle, CURLOPT_USERAGENT, "kachery")
    guard !proxy.user.isEmpty else { return }
    CCurl_set_text(handle, CURLOPT_PROXYUSERNAME, proxy.user)
    CCurl_set_text(handle, CURLOPT_PROXYPASSWORD, proxy.password)
    // With more than one method, the password is sent only after the proxy has asked for it.
    CCurl_set_long(handle, CURLOPT_PROXYAUTH, CCurl_basic_or_digest())
  }

  /// Reports the result of the transfer. The connection itself stays with libcurl, which closes its own descriptor.
  func finish(_ result: CURLcode) {
    let problem = ProxyProblem(proxy: request.proxy, endpoint: request.endpoint, timeout: request.timeout)
    let status = CCurl_connect_code(handle)
    guard result == CURLE_OK else {
      return request.done(.failure(status >= 300 ? problem.error(status: status) : problem.error(result)))
    }
    let descriptor = fcntl(CCurl_active_socket(handle), F_DUPFD_CLOEXEC, 0)
    guard descriptor >= 0 else {
      let sentence = "The system has no descriptor left for a connection through the proxy \(request.proxy)."
      return request.done(.failure(KacheryError(.internalError, sentence)))
    }
    request.done(.success(TunnelDescriptor(descriptor)))
  }
}
