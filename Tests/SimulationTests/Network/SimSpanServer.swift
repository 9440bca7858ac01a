import NodeCore
import Primitives
import Transfer
import Wire

/// The serving end of a `SimStream` on one link: answers spans in order, block by block.
final class SimSpanServer {
  private static let windowBlocks = 4

  private let network: SimNetwork
  private let link: SimLink
  private let stream: SimStream
  /// The link at this end.
  private let id: LinkID
  private var waiting: [SimStream.Span] = []
  private var isServing = false
  /// Blocks that have been sent.
  private var given = 0
  /// The piece from which the latest block was sent.
  private var begun: FetchID?

  init(_ network: SimNetwork, _ link: SimLink, _ stream: SimStream) {
    self.network = network
    self.link = link
    self.stream = stream
    id = link.other(stream.opener).id
  }

  private var node: SimNode { stream.server }

  func add(_ span: SimStream.Span) {
    waiting.append(span)
    serveNext()
  }

  /// Whether this node may serve the channel for which the opener gives its proof on the link.
  private func mayServe(_ fetch: PieceFetch) -> Bool {
    let proof = stream.opener.core.proof(of: fetch.source.topic, on: link.end(of: stream.opener).id)
    return proof.map { node.core.mayServe(id, over: $0) } ?? false
  }

  private func serveNext() {
    guard !isServing, !waiting.isEmpty, node.conduct != .silent else { return }
    let span = waiting.removeFirst()
    guard stream.expects(span, over: link) else { return serveNext() }
    isServing = true
    let request = span.request
    guard mayServe(request) else { return refuse(.notAuthorized) }
    if node.conduct == .refuses { return refuse(node.refusal) }
    if node.conduct == .boasts { return refuse(.notHere) }
    guard let range = span.range, let whole = request.range else { return refuse(.outOfRange) }
    let file = node.store.files[request.source.hash]
    guard range.end <= file?.count ?? .max else { return refuse(.outOfRange) }
    let part =
      file.map { Array($0[Int(range.start)..<Int(range.end)]) }
      ?? node.store.shared(request.source.hash, request.piece.range).map {
        Array($0.dropFirst(Int(request.kept + range.start - whole.start)).prefix(Int(range.count)))
      }
    guard var bytes = part else { return refuse(.notHere) }
    if node.conduct == .corrupts, !bytes.isEmpty {
      bytes[network.random.number(0...bytes.count - 1)] ^= 1
    }
    give(bytes[...], of: span)
  }

  private func refuse(_ refusal: Refusal) {
    isServing = false
    link.travel { self.stream.fail(.refused(refusal)) }
    serveNext()
  }

  private func give(_ bytes: ArraySlice<UInt8>, of span: SimStream.Span) {
    guard link.isUp else { return }
    guard stream.expects(span, over: link) else {
      isServing = false
      return serveNext()
    }
    if node.conduct == .stalls, begun == span.request.id { return }
    // The window is full, and the reader does not empty it.
    guard stream.opener.takesBytes || given < Self.windowBlocks else { return }
    given += 1
    begun = span.request.id
    let block = Array(bytes.prefix(node.blockSize))
    node.uploads.enter(id, span.request.source.hash, block.count) { [self] in
      send(block, of: span, rest: bytes.dropFirst(block.count))
    }
  }

  private func send(_ block: [UInt8], of span: SimStream.Span, rest: ArraySlice<UInt8>) {
    guard link.isUp else { return }
    guard mayServe(span.request) else {
      return link.travel { self.stream.fail(.disconnected) }
    }
    network.noteServed(by: node, to: stream.opener)
    if !node.permits(stream.opener, over: span.request.source.topic) {
      network.complain("\(node.name) gives bytes to \(stream.opener.name), which may not ask it")
    }
    // With an upload rate, a block has been sent only when its time is over.
    let isLate = node.uploadRate != nil || link.rate != nil
    let arrive = { [self] in link.travel { self.stream.take(block, of: span, over: self.link) } }
    if !isLate { arrive() }
    network.clock.after(max(node.timeToGive(block.count), link.timeToCarry(block.count))) {
      [self] in
      if isLate { arrive() }
      guard rest.isEmpty else { return give(rest, of: span) }
      isServing = false
      serveNext()
    }
  }
}
