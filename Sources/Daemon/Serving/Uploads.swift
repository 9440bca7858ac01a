import ContentStore
import Discovery
import EventLoop
import Links
import NodeCore
import Primitives
import Wire

/// What is served to other nodes. Bound to the loop.
///
/// It knows nothing of links, channels and downloads: its owner says who may be served, and carries its messages.
final class Uploads {
  /// Fetch streams of one peer that are served at a time: each may hold two blocks of a file, see `UploadMemory`.
  private static let maximumFetchStreams = 256
  /// Batch streams of one peer that are served at a time.
  private static let maximumBatchStreams = 16
  /// Turns that run at a time: more than the pool has threads, so that these never wait, and few enough for the scheduler to
  /// decide who is next.
  private static let maximumTurns = 8

  /// The link under which what is requested over this one is counted: the first of its node.
  var account: (LinkID) -> LinkID = { $0 }
  /// With whom the peer at the other end shares the places that strangers may take.
  var origin: (LinkID) -> PeerOrigin = { _ in .unknown }
  /// A message for the peer at the other end of a link. The link may have ended, if its node has another.
  var onMessage: ((LinkID, ControlMessage) -> Void)?
  /// Whether the peer may ask over the channel for which it gave this proof.
  var mayServe: (LinkID, ChannelProof) -> Bool = { _, _ in false }
  /// The file with this hash while it is being received here.
  var arriving: (ContentHash) -> IncomingFile? = { _ in nil }
  /// How many transfers may run at a time.
  var limits: TransferLimits {
    didSet { scheduler.limit.schedule = limits.upload }
  }

  private let store: ContentStore
  private let loop: EventLoop
  private let metrics: NodeMetrics
  private let scheduler: UploadScheduler
  private var fetches: [ObjectIdentifier: any ServedStream] = [:]
  private var batches: [ObjectIdentifier: any ServedStream] = [:]
  private var sweeper: Timer?
  /// Files that are not served for now, with the number of those who want that.
  private var withheld: [ContentHash: Int] = [:]
  private lazy var memory = UploadMemory(now: { [loop] in loop.now }, held: { [weak self] in self?.held() ?? (0, 0) })

  init(_ store: ContentStore, loop: EventLoop, metrics: NodeMetrics, limits: TransferLimits) {
    self.store = store
    self.loop = loop
    self.metrics = metrics
    self.limits = limits
    scheduler = UploadScheduler(capacity: Self.maximumTurns, limit: RateLimit(limits.upload), loop: loop)
    scheduler.onWait = { [weak self] link, notice in self?.onMessage?(link, .waiting(notice)) }
  }

  /// Calls `then` once the owner's limit allows this many bytes of a file to be sent to clients of the gateway. All of
  /// these take turns with the peers as one more peer.
  func admit(_ count: Int, of hash: ContentHash, then: @escaping () -> Void) {
    _ = scheduler.enter(Self.gateway, for: hash, cost: count) { turn in
      turn.end(spent: count)
      then()
    }
  }

  /// No link has this number: they are counted from 1.
  private static let gateway = LinkID(number: .max)

  /// Serves a stream on which a peer asks for ranges of files.
  func serveFetches(_ stream: any ByteStream, _ first: [UInt8], on link: LinkID, _ lane: LaneID) {
    serve(stream, first, on: link, lane, FetchAnswers.init, in: \.fetches, atMost: Self.maximumFetchStreams)
  }

  /// Serves a stream on which a peer asks for many small files.
  func serveBatches(_ stream: any ByteStream, _ first: [UInt8], on link: LinkID, _ lane: LaneID) {
    serve(stream, first, on: link, lane, BatchAnswers.init, in: \.batches, atMost: Self.maximumBatchStreams)
  }

  private func serve<Answers: StreamAnswers>(
    _ stream: any ByteStream, _ first: [UInt8], on link: LinkID, _ lane: LaneID,
    _ answers: (ServedFiles) -> Answers,
    in table: ReferenceWritableKeyPath<Uploads, [ObjectIdentifier: any ServedStream]>, atMost limit: Int
  ) {
    let (account, lane) = (account(link), LaneID(number: lane.number, of: link))
    guard self[keyPath: table].values.count(where: { $0.account == account }) < limit else {
      return stream.reset()
    }
    let server = StreamServer(
      link: link, account: account, origin: origin(link), lane: lane, stream: stream,
      answers: answers(files(for: link, account, lane)),
      loop: loop, scheduler: scheduler, memory: memory)
    let key = ObjectIdentifier(server)
    self[keyPath: table][key] = server
    start(server, first) { [weak self] in self?[keyPath: table][key] = nil }
  }

  private func start<Answers>(_ server: StreamServer<Answers>, _ first: [UInt8], ended: @escaping () -> Void) {
    if sweeper == nil {
      sweeper = loop.after(StallClock.period, repeating: StallClock.period) { [weak self] in self?.endStalled() }
    }
    let link = server.link
    server.start(with: first) { [weak self] event in
      switch event {
      case .aborts(let notice): self?.onMessage?(link, .aborted(notice))
      case .ended: ended()
      }
    }
  }

  private func endStalled() {
    let all = Array(fetches.values) + Array(batches.values)
    for server in all { server.endIfStalled(at: loop.now) }
    guard all.isEmpty else { return }
    sweeper?.cancel()
    sweeper = nil
  }

  private func files(for link: LinkID, _ account: LinkID, _ lane: LaneID) -> ServedFiles {
    let transfers = ServedTransfers(Array(fetches.values) + Array(batches.values))
    // The place that a stream has, or has not, lasts as long as the stream.
    let isTooMany =
      !transfers.includesNext(over: account, lane)
      && !limits.hasPlace(forPeerWith: transfers.count(from: origin(link)), of: transfers.count)
    var files = ServedFiles(store: store, metrics: metrics, arriving: arriving, memory: memory) { [weak self] channel in
      guard self?.mayServe(link, channel) == true else { return .notAuthorized }
      return isTooMany ? .limitReached : nil
    }
    files.isWithheld = { [weak self] hash in self?.withheld[hash] != nil }
    return files
  }

  private func held() -> (streams: Int, bytes: Int) {
    let all = [fetches, batches]
    return (all.reduce(0) { $0 + $1.count }, all.reduce(0) { $1.values.reduce($0) { $0 + $1.heldBytes } })
  }

  /// What is being sent to each peer, by the link under which the peer is counted: one for each file, and one for all small
  /// files together.
  var sending: [(account: LinkID, file: SentFile)] {
    var files: [LinkID: [ContentHash?: UInt64]] = [:]
    for stream in Array(fetches.values) + Array(batches.values) {
      guard let sending = stream.sending else { continue }
      files[stream.account, default: [:]][sending.hash, default: 0] += sending.bytes
    }
    return files.sorted { $0.key < $1.key }.flatMap { account, sent in
      let hashes = sent.keys.compactMap { $0 }.sorted()
      return ((sent[nil] == nil ? [] : [nil]) + hashes.map(Optional.some)).map { hash in
        (account, SentFile(hash: hash, bytes: sent[hash] ?? 0))
      }
    }
  }

  /// Stops serving a file until `serveAgain`: the node asks others to prove that they have it, and must not be where they
  /// get it, nor be a proof for them at the same time.
  func withhold(_ hash: ContentHash) { withheld[hash, default: 0] += 1 }

  /// Ends `withhold`.
  func serveAgain(_ hash: ContentHash) {
    let count = (withheld[hash] ?? 1) - 1
    withheld[hash] = count > 0 ? count : nil
  }

  /// The link has ended, and with it the streams that it carried.
  func linkEnded(_ link: LinkID) {
    for server in Array(fetches.values) + Array(batches.values) where server.link == link { server.close() }
  }

  /// Ends every stream.
  func stop() {
    sweeper?.cancel()
    for server in Array(fetches.values) + Array(batches.values) { server.close() }
  }
}
