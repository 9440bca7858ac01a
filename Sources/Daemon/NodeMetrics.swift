import Diagnostics
import Gateway

/// The node's metrics. Every counter exists from the start, at zero.
struct NodeMetrics: Sendable {
  let all = Metrics()
  let links: Counter
  let bytesSent: Counter
  let bytesReceived: Counter
  let piecesVerified: Counter
  let piecesRefused: Counter
  let loadsFinished: Counter
  let loadsFailed: Counter
  let loadSeconds: Histogram
  let filesStored: Counter
  let requestsServed: Counter
  let requestsRefused: Counter
  let messagesKept: Counter
  let feedWatchers: Counter
  let relaying: RelayMetrics
  let gateway: GatewayMetrics

  init() {
    links = all.register("kachery_links", .gauge, "Links that are up and past their hello.")
    bytesSent = all.register("kachery_file_bytes_sent_total", .counter, "File bytes sent to other nodes.")
    bytesReceived = all.register(
      "kachery_file_bytes_received_total", .counter, "File bytes received from other nodes, verified or not.")
    piecesVerified = all.register(
      "kachery_pieces_verified_total", .counter, "Received pieces that had the right hash.")
    piecesRefused = all.register(
      "kachery_pieces_refused_total", .counter, "Received pieces with a wrong hash; lost links are not counted.")
    loadsFinished = all.register(
      "kachery_loads_finished_total", .counter,
      "Loads from other nodes that succeeded; files already here are not counted.")
    loadsFailed = all.register(
      "kachery_loads_failed_total", .counter, "Loads that failed; cancelled ones are not counted.")
    loadSeconds = all.register(
      "kachery_load_seconds", upTo: [0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000],
      "How long the loads of files from other nodes took that succeeded.")
    filesStored = all.register("kachery_files_stored_total", .counter, "Files stored through the local API.")
    requestsServed = all.register(
      "kachery_requests_served_total", .counter, "Peers' requests for a range of a file that were granted.")
    requestsRefused = all.register(
      "kachery_requests_refused_total", .counter, "Peers' requests for a range of a file that were refused.")
    messagesKept = all.register(
      "kachery_feed_messages_total", .counter, "Feed messages appended here or received from other nodes.")
    feedWatchers = all.register("kachery_feed_watchers", .gauge, "Clients waiting for feed messages.")
    relaying = RelayMetrics(in: all)
    gateway = GatewayMetrics(in: all)
  }
}
