package import Diagnostics

/// What the gateway counts. The counters exist from the start, whether or not there is a gateway.
package struct GatewayMetrics: Sendable {
  private let requests: Counter
  private let clientErrors: Counter
  private let serverErrors: Counter
  let bytesSent: Counter
  /// Answers with a file that are being sent.
  let running: Counter

  package init(in metrics: Metrics) {
    requests = metrics.register("kachery_gateway_requests_total", .counter, "Requests to the gateway.")
    clientErrors = metrics.register(
      "kachery_gateway_client_errors_total", .counter,
      "Requests to the gateway that were answered with a status from 400 to 499, such as for what is not there.")
    serverErrors = metrics.register(
      "kachery_gateway_server_errors_total", .counter,
      "Requests to the gateway that were answered with a status from 500 to 599, or cut short by the node.")
    bytesSent = metrics.register(
      "kachery_gateway_bytes_sent_total", .counter, "Bytes of files and indexes that clients of the gateway have taken."
    )
    running = metrics.register(
      "kachery_gateway_running_answers", .gauge, "Files and indexes that the gateway is sending.")
  }

  func answered(_ status: Int) {
    requests.add()
    if (400...499).contains(status) { clientErrors.add() }
    if status >= 500 { serverErrors.add() }
  }

  /// The node could not send the rest of an answer.
  func cutShort() { serverErrors.add() }
}
