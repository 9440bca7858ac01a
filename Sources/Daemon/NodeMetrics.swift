import Diagnostics

/// What a node counts. Every counter is there from the start at zero.
struct NodeMetrics: Sendable {
  let all = Metrics()
  let links: Counter
  let bytesSent: Counter
  let bytesReceived: Counter
  let piecesVerified: Counter
  let piecesRefused: Counter
  let loadsFinished: Counter
  let loadsFailed: Counter
  let filesStored: Counter
  let requestsServed: Counter
  let requestsRefused: Counter
  let messagesKept: Counter
  let feedWatchers: Counter

  init() {
    links = all.register("kachery_links", .gauge, "Links that are up and past their hello.")
    bytesSent = all.register("kachery_file_bytes_sent_total", .counter, "Bytes of files given to other nodes.")
    bytesReceived = all.register(
      "kachery_file_bytes_received_total", .counter, "Bytes of files that came from other nodes, verified or not.")
    piecesVerified = all.register(
      "kachery_pieces_verified_total", .counter, "Pieces of files that came and had their hash.")
    piecesRefused = all.register(
      "kachery_pieces_refused_total", .counter, "Pieces that came with another hash; lost links are not counted.")
    loadsFinished = all.register(
      "kachery_loads_finished_total", .counter,
      "Loads from other nodes that succeeded; files that were here are not counted.")
    loadsFailed = all.register(
      "kachery_loads_failed_total", .counter, "Loads that failed; cancelled ones are not counted.")
    filesStored = all.register("kachery_files_stored_total", .counter, "Files stored through the local API.")
    requestsServed = all.register(
      "kachery_requests_served_total", .counter, "Requests of peers for a range of a file that were granted.")
    requestsRefused = all.register(
      "kachery_requests_refused_total", .counter, "Requests of peers for a range that were not granted.")
    messagesKept = all.register(
      "kachery_feed_messages_total", .counter, "Messages of feeds that were appended here or came from other nodes.")
    feedWatchers = all.register("kachery_feed_watchers", .gauge, "Clients that wait for messages of feeds.")
  }
}
