import Discovery
import EventLoop
import Links
import NodeCore
import Primitives
import Threads
import Transfer
import Wire

/// A link with its control stream: sends and receives messages instead of bytes. Bound to the loop.
final class LinkConnection {
  /// Message bytes that may wait for a peer that does not read; beyond this, the link is closed.
  private static let maximumBacklog = 4 << 20

  /// Most addresses at which the peer is dialed for lanes.
  private static let maximumAddresses = 4

  let id: LinkID
  let link: Link
  /// The node through which the link leads; nil if it is direct.
  let relay: NodeID?
  /// Called when a message arrives.
  var onMessage: ((ControlMessage) -> Void)?
  /// Called when the peer opens a fetch or batch stream, on the link or on one of its lanes.
  var onBulkStream: ((StreamKind, any ByteStream, [UInt8], LaneID) -> Void)?
  /// Called when the peer opens a stream to another node through this one, or from another one to this one.
  var onRelayStream: (StreamKind, any ByteStream, [UInt8]) -> Void = { _, stream, _ in stream.reset() }

  /// Called when the peer asks this node to open lanes, because it cannot dial this node.
  var onLanesWanted: ((Int) -> Void)?

  /// With whom the peer shares what strangers may take.
  let origin: PeerOrigin

  /// The feed streams.
  let feeds: FeedStreams
  /// The lanes of the link.
  let lanes: LinkLanes
  /// The addresses at which the peer can be dialed, according to the peer; nil unless it also accepts lanes.
  private(set) var laneAddresses: [Endpoint]?

  private var control: (any ByteStream)?
  /// A node that has not introduced itself cannot make this one keep more than a hello.
  private var decoder = FrameDecoder(limit: WireLimits.helloFrame)
  private var backlog: [UInt8] = []
  private var isClosing = false
  private let loop: EventLoop
  private let workShares: WorkShares
  /// Units of work that messages may cause in one turn of the loop, see `WorkShares`.
  private static let turn = 256
  /// How long they may take, if that is less.
  private static let longestTurn: Duration = .milliseconds(4)
  /// Bytes of the control stream that were received and do not count as consumed yet.
  private var unconsumed = 0
  /// Whether messages wait for the next turn.
  private var hasHadTurn = false

  /// - Parameters:
  ///   - relay: the node through which the link leads; nil if it is direct.
  ///   - workShares: how much work the peer's messages may cause.
  ///   - origin: with whom the peer shares that.
  init(
    id: LinkID, link: Link, loop: EventLoop, by relay: NodeID? = nil, workShares: WorkShares = WorkShares(),
    origin: PeerOrigin = .unknown
  ) {
    self.relay = relay
    self.workShares = workShares
    self.origin = origin
    self.id = id
    self.link = link
    self.loop = loop
    lanes = LinkLanes(of: link, loop: loop, areCheap: relay != nil)
    feeds = FeedStreams {
      link.openStream(window: $0)
    } closeLink: {
      link.close()
    }
  }

  /// Starts to receive. The dialer opens the control stream; an accepted link already has it, with these bytes.
  func start(_ accepted: (control: any ByteStream, first: [UInt8])?) {
    link.onStream = { [weak self] stream in StreamOpening.read(stream) { self?.opened($0, $1, $2) } }
    // The control stream and the feed streams stay open while nothing is expected on them.
    link.isAwaited = { [weak self] link in
      guard let self else { return false }
      return link.openStreams > (control == nil ? 0 : 1) + feeds.count || lanes.areInUse
    }
    link.measureRoundTrip()
    guard let accepted else {
      let stream = link.openStream()
      stream.write([StreamKind.control.rawValue])
      return attach(stream)
    }
    attach(accepted.control)
    // Their part of the window is open again.
    receive(accepted.first, isConsumed: true)
  }

  /// Takes streams from a link that is a lane of this one.
  func adopt(lane: Link) {
    guard let id = lanes.add(lane) else { return lane.close() }
    lane.onStream = { [weak self] stream in
      StreamOpening.read(stream) { kind, stream, first in
        switch kind {
        case .fetch, .batch: self?.bulk(kind, stream, first, id)
        // Lanes carry bulk data only.
        case .control, .feed, .lane, .relay, .relayed: stream.reset()
        }
      }
    }
  }

  /// Whether the lane belongs to this link: it names this link, and has the same node at its other end.
  func isNamed(by request: LaneRequest, from node: NodeID) -> Bool {
    laneAddresses != nil && link.peer == node && LaneRequest(linkWithBinding: link.channelBinding) == request
  }

  /// The addresses for dialing the peer once more: the address that this node dialed before, or otherwise the peer's ports
  /// at the address from which it connected, and then its own addresses.
  var dialableAddresses: ArraySlice<Endpoint> {
    guard let remote = link.remoteEndpoint else { return [] }
    if link.isDialer { return [remote] }
    let named = laneAddresses ?? []
    var found: [Endpoint] = []
    for endpoint in named.compactMap({ Endpoint(host: remote.host, port: $0.port) }) + named
    where !found.contains(endpoint) { found.append(endpoint) }
    return found.prefix(Self.maximumAddresses)
  }

  /// Whether only control messages and feeds use it.
  var isIdle: Bool { lanes.count == 0 && link.openStreams <= 1 + feeds.count }

  /// What the link and its lanes have carried.
  var traffic: LinkTraffic { link.traffic + lanes.traffic }

  func send(_ message: ControlMessage) {
    guard let control else {
      backlog += message.encoded
      return
    }
    // No goodbye: the peer is not reading.
    guard control.queuedBytes < Self.maximumBacklog else { return link.close() }
    control.write(message.encoded)
  }

  /// Sends a last message and closes the link. Before the control stream is up, both wait for it.
  func close(_ goodbye: Goodbye) {
    send(.goodbye(goodbye))
    isClosing = true
    if control != nil { link.close() }
  }

  private func opened(_ kind: StreamKind, _ stream: any ByteStream, _ first: [UInt8]) {
    switch kind {
    case .control: violation("a second control stream")
    case .fetch, .batch: bulk(kind, stream, first, .link)
    case .feed: feeds.opened(stream, first)
    case .lane: violation("a link that wants to be a lane")
    case .relay, .relayed: onRelayStream(kind, stream, first)
    }
  }

  private func bulk(_ kind: StreamKind, _ stream: any ByteStream, _ first: [UInt8], _ lane: LaneID) {
    if let onBulkStream { onBulkStream(kind, stream, first, lane) } else { stream.reset() }
  }

  private func attach(_ stream: any ByteStream) {
    control = stream
    stream.onData = { [weak self] bytes in self?.receive(Array(bytes), isConsumed: false) }
    stream.onEnd = { [weak self] _ in self?.controlEnded() }
    if !backlog.isEmpty { stream.write(backlog) }
    backlog = []
    if isClosing { link.close() }
  }

  private func receive(_ bytes: [UInt8], isConsumed: Bool = false) {
    decoder.append(bytes)
    if !isConsumed { unconsumed += bytes.count }
    if !hasHadTurn { takeTurn() }
  }

  /// Handles messages that have arrived, as many as one turn of the loop has time for. The others wait until it is the
  /// peer's turn again.
  private func takeTurn() {
    var price = 0
    let start = ProcessorTime.ofThisThread
    do throws(WireError) {
      while price < Self.turn, ProcessorTime.ofThisThread - start < Self.longestTurn {
        guard let frame = try decoder.next() else { return letMoreCome(after: delay(for: price, since: start)) }
        let message = try ControlMessage.decode(frame)
        price += message?.price ?? 1
        if let message { receive(message) }
      }
    } catch {
      return violation("\(error)")
    }
    hasHadTurn = true
    _ = loop.after(max(delay(for: price, since: start), .milliseconds(1))) { [weak self] in
      guard let self else { return }
      hasHadTurn = false
      if !isClosing { takeTurn() }
    }
  }

  /// The peer's last messages say why it leaves: they do not wait for its turn.
  private func controlEnded() {
    if hasHadTurn, !isClosing { takeTurn() }
    link.close()
  }

  private func delay(for price: Int, since start: Duration) -> Duration {
    workShares.delay(
      for: price, within: ProcessorTime.ofThisThread - start, of: link.peer, from: origin, at: loop.now)
  }

  private func receive(_ message: ControlMessage) {
    switch message {
    case .lanesWanted(let count): onLanesWanted?(Int(count))
    case .hello(let hello):
      decoder.limit = WireLimits.frame
      if hello.features & Hello.lanes != 0 { laneAddresses = hello.addresses.compactMap(\.tcpEndpoint) }
      onMessage?(message)
    default: onMessage?(message)
    }
  }

  private func letMoreCome(after delay: Duration) {
    let count = unconsumed
    unconsumed = 0
    guard delay > .zero else { return control?.consumed(count) ?? () }
    _ = loop.after(delay) { [weak self] in self?.control?.consumed(count) }
  }

  private func violation(_ reason: String) {
    close(Goodbye(.violation, reason))
  }
}

extension ControlMessage {
  /// The units of work that it usually causes, see `WorkShares`: 1 for looking up a file, 8 for checking and
  /// keeping a record.
  fileprivate var price: Int {
    switch self {
    case .presence(let records): 1 + 8 * records.count
    // This node introduces members to the peer.
    case .channels(let proofs): 10 + proofs.count
    case .topics(let topics): 10 + topics.count
    // They may make this node dial again, and announce its relays.
    case .relaying(let offers): 10 + offers.count
    case .hello(let hello): 10 + hello.proofs.count
    case .find, .found, .goodbye, .waiting, .aborted, .punchEnd, .replicated: 1
    // They make this node move its requests to another link.
    case .prefer: 50
    case .lanesWanted, .reach, .punch, .punchStart, .identityQuery, .identityAnswer, .identityCopy, .replicate: 10
    }
  }
}
