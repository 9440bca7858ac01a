import Discovery
import Links
import NodeCore
import Primitives

/// How many transfers are served. One transfer has a stream on each lane to its peer, perhaps on
/// several links, so the lanes count once.
struct ServedTransfers {
  private var streams: [LinkID: [LaneID: Int]] = [:]
  private var origins: [LinkID: PeerOrigin] = [:]

  init(_ served: some Sequence<any ServedStream>) {
    for stream in served {
      streams[stream.account, default: [:]][stream.lane, default: 0] += 1
      origins[stream.account] = stream.origin
    }
  }

  /// All of them.
  var count: Int { streams.keys.reduce(0) { $0 + count(over: $1) } }

  /// The transfers to one peer.
  func count(over link: LinkID) -> Int { streams[link]?.values.max() ?? 0 }

  /// The transfers to all peers of an origin: identities cost nothing.
  func count(from origin: PeerOrigin) -> Int {
    origins.reduce(0) { $1.value == origin ? $0 + count(over: $1.key) : $0 }
  }

  /// Whether one more stream on this lane belongs to a transfer that has streams on other lanes.
  func includesNext(over link: LinkID, _ lane: LaneID) -> Bool { (streams[link]?[lane] ?? 0) < count(over: link) }
}
