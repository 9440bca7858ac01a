import Links
import Primitives
import TestSupport
import Transfer
import Wire

@testable import Daemon

/// A relay with a virtual clock, whose peers are the test.
final class RelayWorld {
  static let topic: Topic = .filled(with: 7)

  let time = SimClock()
  let server: RelayServer
  /// What the relay answers if the target is linked.
  var permission: (LinkID, NodeID, Topic) -> RelayStatus = { _, _, _ in .granted }
  /// How often a link was looked up.
  private(set) var lookups = 0
  /// The streams that the relay has opened to each node, in order.
  private(set) var opened: [NodeID: [MemoryStream]] = [:]
  private var links: [NodeID: RelayLink] = [:]

  /// - Parameter rate: in MB/s; nil for no limit.
  init(rate: Int? = nil) throws {
    let time = time
    let clock = RelayClock(now: { time.now }, after: { time.after($0, $1) }, soon: { time.after(.zero, $0) })
    server = RelayServer(limit: RateLimit(try rate.map { try RateSchedule(parsing: "\($0)") }), clock: clock)
    server.permits = { [unowned self] in permission($0, $1, $2) }
    server.linkOf = { [unowned self] node in
      lookups += 1
      return links[node]
    }
  }

  static func node(_ number: Int) -> NodeID {
    let bytes =
      [UInt8](repeating: 1, count: 28) + (0..<4).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    guard let node = NodeID(bytes: bytes) else { preconditionFailure("32 bytes") }
    return node
  }

  /// Links a node to the relay.
  @discardableResult
  func link(
    _ number: Int, roundTrip: Duration? = nil, seenAt: [Endpoint] = [], open: ((Int) -> any ByteStream)? = nil
  ) -> RelayLink {
    let node = Self.node(number)
    let link = RelayLink(
      id: LinkID(number: UInt64(number)), node: node, roundTripTime: { roundTrip },
      open: { [unowned self] window in
        if let open { return open(window) }
        let stream = MemoryStream()
        opened[node, default: []].append(stream)
        return stream
      }, seenAt: seenAt)
    links[node] = link
    return link
  }

  func unlink(_ number: Int) { links[Self.node(number)] = nil }

  /// The last stream that the relay has opened to a node.
  func far(_ number: Int) -> MemoryStream? { opened[Self.node(number)]?.last }

  static func request(to target: Int, use: UInt8 = RelayFrame.link) -> [UInt8] {
    RelayRequest(topic: topic, target: node(target), use: use).encoded
  }

  /// A linked node opens a stream and asks for another node.
  func ask(_ opener: Int, for target: Int, early: [UInt8] = []) -> MemoryStream {
    let stream = MemoryStream()
    serve(stream, first: Self.request(to: target) + early, from: opener)
    return stream
  }

  func serve(_ stream: any ByteStream, first: [UInt8], from opener: Int) {
    guard let link = links[Self.node(opener)] else { preconditionFailure("the opener is linked") }
    server.serve(stream, first: first, from: link)
  }

  /// Opens a stream between two nodes, and reads what was written on it so far.
  func connect(_ opener: Int, _ target: Int) -> (near: MemoryStream, far: MemoryStream)? {
    let before = opened[Self.node(target)]?.count ?? 0
    let near = ask(opener, for: target)
    guard let streams = opened[Self.node(target)], streams.count > before, let far = streams.last else { return nil }
    far.takeAll()
    far.receive(RelayAnswer(.granted).encoded)
    near.takeAll()
    return (near, far)
  }

  /// Lets time pass.
  func pass(_ duration: Duration) { _ = time.run(for: duration) }

  /// What an opener was answered; nil if nothing.
  static func status(_ stream: MemoryStream) throws -> RelayStatus? {
    var decoder = FrameDecoder(limit: RelayFrame.limit)
    decoder.append(stream.written)
    return try decoder.next().map { try RelayAnswer.decode($0).status }
  }
}

/// A link that takes a number of bytes and then nothing until it is drained. Its streams have windows without end.
final class CongestedLink {
  /// Bytes of each stream, in the order of their opening.
  private(set) var taken: [Int] = []
  private var streams: [CongestedStream] = []
  private var pending = 0
  private let mark: Int

  init(mark: Int) { self.mark = mark }

  func open() -> CongestedStream {
    let stream = CongestedStream(link: self, index: streams.count)
    streams.append(stream)
    taken.append(0)
    return stream
  }

  /// The path takes everything, and always notifies the first stream first.
  func drain() {
    pending = 0
    for stream in streams where pending < mark { stream.onWritable?() }
  }

  final class CongestedStream: ByteStream {
    var onData: ((UnsafeRawBufferPointer) -> Void)?
    var onEnd: ((LinkStreamEnd) -> Void)?
    var onWritable: (() -> Void)?
    var onSent: (() -> Void)?
    private let link: CongestedLink
    private let index: Int

    init(link: CongestedLink, index: Int) {
      self.link = link
      self.index = index
    }

    var isWritable: Bool { link.pending < link.mark }
    var queuedBytes: Int { 0 }

    func write(_ bytes: [UInt8]) {
      link.pending += bytes.count
      link.taken[index] += bytes.count
      onSent?()
    }

    func consumed(_ count: Int) {}
    func finish() {}
    func reset() {}

    func receive(_ bytes: [UInt8]) { bytes.withUnsafeBytes { onData?($0) } }
  }
}
