import Crypto
import NodeCore
import Primitives
import Transfer
import Wire

/// The fetching end of the pieces of one download from one node. They are requested in spans, each over the link that
/// is preferred at that time, and arrive in order, as in the daemon.
final class SimStream {
  /// A request for a part of a piece.
  final class Span {
    let request: PieceFetch
    /// The bytes of the source's file that have not arrived; nil if the source does not have them.
    fileprivate(set) var range: ByteRange?
    let isLast: Bool
    /// The link over which it was requested; nil before.
    fileprivate(set) weak var link: SimLink?
    /// Bytes that arrived before those of earlier spans.
    fileprivate var early: [UInt8] = []
    fileprivate var isComplete = false

    init(_ request: PieceFetch, _ range: ByteRange?, isLast: Bool) {
      self.request = request
      self.range = range
      self.isLast = isLast
    }
  }

  private static let leastSpanBytes = 1_000
  private static let bytesAhead: UInt64 = 20_000

  let opener: SimNode
  let server: SimNode
  private let download: DownloadID
  private let network: SimNetwork
  /// Pieces that have not arrived, in order.
  private var expected: [PieceFetch] = []
  /// Spans that have not arrived, in order; those at the end may not be requested yet.
  private var spans: [Span] = []
  private var servers: [ObjectIdentifier: SimSpanServer] = [:]
  private var isClosed = false
  /// The bytes of the first piece.
  private var arrived: [UInt8] = []

  init(_ network: SimNetwork, opener: SimNode, server: SimNode, download: DownloadID) {
    self.network = network
    self.opener = opener
    self.server = server
    self.download = download
  }

  func request(_ request: PieceFetch) {
    guard !isClosed else { return }
    expected.append(request)
    if expected.count == 1 { begin() }
    guard var rest = request.range, rest.count > 0 else {
      spans.append(Span(request, request.range, isLast: true))
      return assign()
    }
    // A block takes its time even if it is not full.
    let spanBytes = UInt64(max(Self.leastSpanBytes, server.blockSize))
    while rest.count > 0 {
      let part = rest.prefix(spanBytes)
      rest = rest.dropFirst(part.count)
      spans.append(Span(request, part, isLast: rest.count == 0))
    }
    assign()
  }

  /// Requests spans over the preferred link.
  private func assign() {
    var ahead = spans.reduce(0) { $0 + ($1.link == nil ? 0 : $1.range?.count ?? 0) }
    for span in spans
    where span.link == nil && !span.isComplete && ahead < Self.bytesAhead && !isClosed {
      guard let link = opener.preferredLink(to: server) else { return fail(.disconnected) }
      ahead += span.range?.count ?? 0
      span.link = link
      link.attach(self)
      let key = ObjectIdentifier(link)
      let end = servers[key] ?? SimSpanServer(network, link, self)
      servers[key] = end
      link.travel { end.add(span) }
    }
  }

  /// The piece that is arriving, and how many of its first bytes are present.
  var arriving: (ByteRange, Int)? { isClosed ? nil : expected.first.map { ($0.piece.range, arrived.count) } }

  /// The channel over which the outstanding bytes were requested.
  var openTopic: Topic? { isClosed ? nil : expected.first?.source.topic }

  /// Whether something is expected over this link.
  func uses(_ link: SimLink) -> Bool {
    !isClosed && spans.contains { $0.link === link && !$0.isComplete }
  }

  /// Whether this span is still expected over this link.
  func expects(_ span: Span, over link: SimLink) -> Bool {
    !isClosed && span.link === link && !span.isComplete
  }

  /// Received bytes of a piece are kept, unless they were wrong.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    guard let first = expected.first, !first.isSpare, !arrived.isEmpty else { return }
    opener.store.keepBeginning(arrived, first.piece.range, of: download)
  }

  /// Starts the next piece, or the rest of it.
  private func begin() {
    guard let next = expected.first else { return }
    arrived = Array(opener.store.beginning(next.piece.range, of: download).prefix(Int(next.kept)))
  }

  /// Nothing more comes over this link: what it has not delivered is requested over another one.
  func linkEnded(_ link: SimLink) {
    servers[ObjectIdentifier(link)] = nil
    guard !isClosed else { return }
    for span in spans where span.link === link && !span.isComplete { span.link = nil }
    // The core may only now learn of it.
    network.clock.after(.zero) { [self] in if !isClosed { assign() } }
  }

  func fail(_ outcome: FetchOutcome) {
    guard !isClosed else { return }
    close()
    guard let first = expected.first else { return }
    opener.fetched(first.id, outcome)
  }

  // MARK: Arriving

  func take(_ block: [UInt8], of span: Span, over link: SimLink) {
    guard expects(span, over: link), opener.takesBytes else { return }
    opener.receivedBytes += block.count
    span.range = span.range?.dropFirst(UInt64(block.count))
    span.isComplete = (span.range?.count ?? 0) == 0
    span.early += block
    while let head = spans.first, !isClosed {
      let bytes = head.early
      head.early = []
      if !bytes.isEmpty { deliver(bytes) }
      guard head.isComplete, !isClosed else { break }
      spans.removeFirst()
      if head.isLast { endPiece() }
    }
    if !isClosed { assign() }
  }

  private func deliver(_ bytes: [UInt8]) {
    guard let first = expected.first else { return }
    arrived += bytes
    opener.received(UInt64(arrived.count), of: first.id)
  }

  private func endPiece() {
    guard let request = expected.first else { return }
    let bytes = arrived
    arrived = []
    let isHere = opener.store.hasArrived(request.piece.range, of: download)
    guard isHere || opener.store.add(bytes, request.piece, to: download) else { return fail(.hashMismatch) }
    expected.removeFirst()
    begin()
    // The piece is part of the file before the core is notified, and the source may be abandoned in between.
    network.clock.after(.microseconds(network.random.number(0...2_000))) { [self] in
      if !isClosed { opener.fetched(request.id, .verified) }
    }
  }
}

extension SimNode {
  /// The node at the other end of a stream, and the download that it serves.
  struct StreamKey: Hashable {
    let download: DownloadID
    let node: NodeID
  }
}
