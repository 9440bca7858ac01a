internal import CCurl
import Primitives

/// Says why a proxy did not connect, and what helps.
///
/// The code tells what has to change: `badConfiguration` this node's settings, `forbidden` what the proxy allows;
/// `disconnected` and `timedOut` concern the place behind the proxy, or the network.
struct ProxyProblem {
  let proxy: ProxyAddress
  let endpoint: Endpoint
  let timeout: Duration

  private static let place = "where the proxy is named (kachery.yaml, --proxy or https_proxy)"

  /// - Parameter status: the proxy's answer.
  func error(status: Int) -> KacheryError {
    switch status {
    // Some proxies answer 401, which is for servers.
    case 401 where proxy.user.isEmpty, 407 where proxy.user.isEmpty:
      KacheryError(
        .badConfiguration,
        "The proxy \(proxy) asks for a user name and a password: name it as http://USER:PASSWORD@HOST:PORT, as proxy: in "
          + "kachery.yaml or in https_proxy.")
    case 401, 407:
      KacheryError(
        .badConfiguration,
        "The proxy \(proxy) does not accept the password of the user '\(proxy.user)', or uses another method than Basic "
          + "and Digest: correct it \(Self.place).")
    case 403 where endpoint.port == Endpoint.httpsPort, 405:
      KacheryError(
        .forbidden,
        "The proxy \(proxy) does not allow connections to \(endpoint) (\(status)): ask its administrators to allow them."
      )
    case 403:
      KacheryError(
        .forbidden,
        "The proxy \(proxy) does not allow connections to \(endpoint) (\(status)): many proxies allow only port 443, so "
          + "let the bootstrap node listen there (--also-listen 443), or ask the proxy's administrators.")
    case 502...504:
      KacheryError(
        .disconnected,
        "The proxy \(proxy) cannot reach \(endpoint) (\(status)): check that address, and that the node there is running."
      )
    default:
      KacheryError(
        .disconnected, "The proxy \(proxy) refuses to connect to \(endpoint) (\(status)): ask its administrators.")
    }
  }

  /// - Parameter result: libcurl's result, if the proxy has sent no answer.
  func error(_ result: CURLcode) -> KacheryError {
    switch result {
    case CURLE_COULDNT_RESOLVE_PROXY:
      KacheryError(
        .badConfiguration, "The name of the proxy \(proxy) cannot be resolved: correct it \(Self.place).")
    case CURLE_COULDNT_CONNECT:
      KacheryError(
        .badConfiguration, "The proxy \(proxy) accepts no connections: check its address and port \(Self.place).")
    case CURLE_OPERATION_TIMEDOUT:
      KacheryError(
        .timedOut,
        "The proxy \(proxy) did not connect to \(endpoint) within \(timeout.components.seconds) s: check the address of "
          + "the proxy, and that the node there is running.")
    default:
      KacheryError(
        .badConfiguration,
        "The proxy \(proxy) does not answer as an HTTP proxy (\(String(cString: curl_easy_strerror(result)))): check its "
          + "address and port \(Self.place).")
    }
  }
}
