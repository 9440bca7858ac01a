import Diagnostics

/// What a node relays for others, as its metrics show it.
struct RelayMetrics: Sendable {
  let streams: Counter
  let lanes: Counter
  let waitingLanes: Counter
  let bytes: Counter
  let laneBytes: Counter
  let refusals: Counter

  /// Registers the counters.
  init(in all: Metrics = Metrics()) {
    streams = all.register("kachery_relayed_streams", .gauge, "Links of other nodes that this one passes on.")
    lanes = all.register("kachery_joined_lanes", .gauge, "Connections of two other nodes that this one has joined.")
    waitingLanes = all.register(
      "kachery_waiting_lanes", .gauge, "Granted lanes of other nodes of which a connection is missing.")
    bytes = all.register(
      "kachery_relayed_bytes_total", .counter, "Bytes passed on for other nodes, over streams and joined lanes.")
    laneBytes = all.register("kachery_joined_bytes_total", .counter, "The part of them that went over joined lanes.")
    refusals = all.register(
      "kachery_relay_refusals_total", .counter, "Requests of other nodes for relayed links and lanes that were refused."
    )
  }
}
