import Crypto
import NodeCore
import Primitives
import Transfer
import Wire

/// A fetch stream: pieces of one download from one node, asked for and given in order. Both ends of it.
final class SimStream {
  private struct Request {
    let fetch: FetchID
    let piece: Piece
    let source: Source
  }

  let opener: SimNode
  private let server: SimLink.End
  private let link: SimLink
  private let download: DownloadID
  private let network: SimNetwork
  private var expected: [Request] = []
  private var waiting: [Request] = []
  private var isServing = false
  private var isClosed = false
  private var arrived: [UInt8] = []
  /// Blocks that have been given.
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

  func request(_ fetch: FetchID, _ piece: Piece, _ source: Source) {
    guard !isClosed else { return }
    let request = Request(fetch: fetch, piece: piece, source: source)
    expected.append(request)
    link.travel { [self] in
      waiting.append(request)
      serveNext()
    }
  }

  /// Bytes of the piece that arrives.
  var arrivedBytes: Int { arrived.count }

  func close() { isClosed = true }

  func linkEnded() {
    if expected.isEmpty { close() } else { fail(.disconnected) }
  }

  private func fail(_ outcome: FetchOutcome) {
    guard !isClosed else { return }
    close()
    guard let first = expected.first else { return }
    opener.fetched(first.fetch, outcome)
  }

  // MARK: The serving end

  private func serveNext() {
    guard !isServing, !isClosed, !waiting.isEmpty, server.node.conduct != .silent else { return }
    isServing = true
    let request = waiting.removeFirst()
    guard server.node.core.mayServe(server.id, over: request.source.topic) else { return refuse(.notAuthorized) }
    if server.node.conduct == .refuses { return refuse(server.node.refusal) }
    if server.node.conduct == .boasts { return refuse(.notHere) }
    let start = request.piece.range.start + request.source.offset
    let end = request.piece.range.end + request.source.offset
    guard let range = ByteRange(start: start, end: end) else { return refuse(.outOfRange) }
    let file = server.node.store.files[request.source.hash]
    guard end <= file?.count ?? .max else { return refuse(.outOfRange) }
    let part = file.map { Array($0[Int(start)..<Int(end)]) } ?? server.node.store.shared(request.source.hash, range)
    guard var bytes = part else { return refuse(.notHere) }
    if server.node.conduct == .corrupts, !bytes.isEmpty { bytes[network.random.number(0...bytes.count - 1)] ^= 1 }
    give(bytes[...], of: request, isFirst: true)
  }

  private func refuse(_ refusal: Refusal) {
    isServing = false
    link.travel { self.fail(.refused(refusal)) }
    serveNext()
  }

  private func give(_ bytes: ArraySlice<UInt8>, of request: Request, isFirst: Bool) {
    guard !isClosed, link.isUp else { return }
    if server.node.conduct == .stalls, !isFirst { return }
    // The window is full, and nobody empties it.
    guard opener.takesBytes || given < Self.windowBlocks else { return }
    given += 1
    let block = Array(bytes.prefix(server.node.blockSize))
    server.node.uploads.enter(server.id, request.source.hash, block.count) { [self] in
      send(block, of: request, rest: bytes.dropFirst(block.count))
    }
  }

  private func send(_ block: [UInt8], of request: Request, rest: ArraySlice<UInt8>) {
    guard !isClosed, link.isUp else { return }
    guard server.node.core.mayServe(server.id, over: request.source.topic) else {
      return link.travel { self.fail(.disconnected) }
    }
    network.noteServed(by: server.node, to: opener)
    // A node that gives at a rate has given a block only when its time is over.
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
    opener.received(UInt64(arrived.count), of: request.fetch)
    guard isLast, !isClosed else { return }
    let bytes = arrived
    arrived = []
    guard opener.store.add(bytes, request.piece, to: download) else { return fail(.hashMismatch) }
    expected.removeFirst()
    opener.fetched(request.fetch, .verified)
  }
}
