import Primitives

/// The streams on which a batch asks each node: one for new requests, and older ones on links that are not preferred any
/// more, until everything requested on them is answered.
struct BatchStreams {
  /// A stream to one node over one of its links.
  struct Stream {
    let number: Int
    let node: NodeID
    let link: LinkID
    let client: BatchClient
  }

  /// The link over which each node was asked last.
  var links: [NodeID: LinkID] = [:]
  private var streams: [Int: Stream] = [:]
  private var currents: [NodeID: Int] = [:]
  private var lastNumber = 0

  /// Adds the stream that takes new requests of its node from now on.
  mutating func add(_ client: BatchClient, to node: NodeID, over link: LinkID) -> Stream {
    lastNumber += 1
    let stream = Stream(number: lastNumber, node: node, link: link, client: client)
    streams[lastNumber] = stream
    currents[node] = lastNumber
    return stream
  }

  /// Closes an older stream once everything has been answered on it.
  mutating func closeIfDone(_ stream: Stream) {
    guard !isCurrent(stream), stream.client.unanswered.isEmpty else { return }
    stream.client.close()
    streams[stream.number] = nil
  }

  /// The nodes that are asked now.
  var nodes: [NodeID] { currents.keys.sorted() }

  /// The stream for new requests of the node.
  func current(_ node: NodeID) -> Stream? { currents[node].flatMap { streams[$0] } }

  /// The stream with this number.
  func with(_ number: Int) -> Stream? { streams[number] }

  func isCurrent(_ stream: Stream) -> Bool { currents[stream.node] == stream.number }

  func contains(_ stream: Stream) -> Bool { streams[stream.number] != nil }

  /// The streams that take no new requests, in order.
  var older: [Stream] { streams.values.filter { !isCurrent($0) }.sorted { $0.number < $1.number } }

  mutating func remove(_ stream: Stream) {
    streams[stream.number] = nil
    if isCurrent(stream) { currents[stream.node] = nil }
  }

  /// Closes the node's streams. Returns whether it had one for new requests.
  mutating func close(_ node: NodeID) -> Bool {
    for stream in streams.values where stream.node == node {
      stream.client.close()
      streams[stream.number] = nil
    }
    return currents.removeValue(forKey: node) != nil
  }

  mutating func closeAll() {
    for stream in streams.values { stream.client.close() }
    streams = [:]
    currents = [:]
    links = [:]
  }
}
