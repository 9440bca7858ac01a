import Crypto
import NodeCore
import Primitives
import Transfer
import Wire

/// Both ends of a fetch stream: pieces of one download from one node, requested and sent in order.
final class SimStream {
  let opener: SimNode
  private let server: SimLink.End
  private let link: SimLink
  private let download: DownloadID
  private let network: SimNetwork
  private var expected: [PieceFetch] = []
  private var waiting: [PieceFetch] = []
  private var isServing = false
  private var isClosed = false
  private var arrived: [UInt8] = []
  /// Blocks that have been sent.
  private var given = 0
  private static let windowBlocks = 4

  init(_ network: SimNetwork, _ link: SimLink, opener: SimNode, download: DownloadID) {
    self.network = network
    self.link = link
    self.opener = opener
    self.download = download
    server = link.other(opener)
    link.attach(self)
  }

  func request(_ request: PieceFetch) {
    guard !isClosed else { return }
    expected.append(request)
    if expected.count == 1 { begin() }
    link.travel { [self] in
      waiting.append(request)
      serveNext()
    }
  }

  /// The piece that is arriving, and how many of its first bytes are present.
  var arriving: (ByteRange, Int)? { isClosed ? nil : expected.first.map { ($0.piece.range, arrived.count) } }

  /// The channel over which the outstanding bytes were requested.
  var openTopic: Topic? { isClosed ? nil : expected.first?.source.topic }

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

  func linkEnded() {
    if expected.isEmpty { close() } else { fail(.disconnected) }
  }

  private func fail(_ outcome: FetchOutcome) {
    guard !isClosed else { return }
    close()
    guard let first = expected.first else { return }
    opener.fetched(first.id, outcome)
  }

  // MARK: The serving end

  private func serveNext() {
    guard !isServing, !isClosed, !waiting.isEmpty, server.node.conduct != .silent else { return }
    isServing = true
    let request = waiting.removeFirst()
    guard server.node.core.mayServe(server.id, over: request.source.topic) else { return refuse(.notAuthorized) }
    if server.node.conduct == .refuses { return refuse(server.node.refusal) }
    if server.node.conduct == .boasts { return refuse(.notHere) }
    guard let range = request.range else { return refuse(.outOfRange) }
    let (start, end) = (range.start, range.end)
    let file = server.node.store.files[request.source.hash]
    guard end <= file?.count ?? .max else { return refuse(.outOfRange) }
    let part =
      file.map { Array($0[Int(start)..<Int(end)]) }
      ?? server.node.store.shared(request.source.hash, request.piece.range).map {
        Array($0.dropFirst(Int(request.kept)))
      }
    guard var bytes = part else { return refuse(.notHere) }
    if server.node.conduct == .corrupts, !bytes.isEmpty { bytes[network.random.number(0...bytes.count - 1)] ^= 1 }
    give(bytes[...], of: request, isFirst: true)
  }

  private func refuse(_ refusal: Refusal) {
    isServing = false
    link.travel { self.fail(.refused(refusal)) }
    serveNext()
  }

  private func give(_ bytes: ArraySlice<UInt8>, of request: PieceFetch, isFirst: Bool) {
    guard !isClosed, link.isUp else { return }
    if server.node.conduct == .stalls, !isFirst { return }
    // The window is full, and the reader does not empty it.
    guard opener.takesBytes || given < Self.windowBlocks else { return }
    given += 1
    let block = Array(bytes.prefix(server.node.blockSize))
    server.node.uploads.enter(server.id, request.source.hash, block.count) { [self] in
      send(block, of: request, rest: bytes.dropFirst(block.count))
    }
  }

  private func send(_ block: [UInt8], of request: PieceFetch, rest: ArraySlice<UInt8>) {
    guard !isClosed, link.isUp else { return }
    guard server.node.core.mayServe(server.id, over: request.source.topic) else {
      return link.travel { self.fail(.disconnected) }
    }
    network.noteServed(by: server.node, to: opener)
    if !server.node.permits(opener, over: request.source.topic) {
      network.complain("\(server.node.name) gives bytes to \(opener.name), which may not ask it")
    }
    // With an upload rate, a block has been sent only when its time is over.
    let isLate = server.node.uploadRate != nil
    if !isLate { link.travel { self.take(block, isLast: rest.isEmpty) } }
    network.clock.after(server.node.timeToGive(block.count)) { [self] in
      if isLate { link.travel { self.take(block, isLast: rest.isEmpty) } }
      guard rest.isEmpty else { return give(rest, of: request, isFirst: false) }
      isServing = false
      serveNext()
    }
  }

  // MARK: The fetching end

  private func take(_ block: [UInt8], isLast: Bool) {
    guard !isClosed, opener.takesBytes, let request = expected.first else { return }
    arrived += block
    opener.receivedBytes += block.count
    opener.received(UInt64(arrived.count), of: request.id)
    guard isLast, !isClosed else { return }
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
