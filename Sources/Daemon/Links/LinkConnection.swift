import EventLoop
import Links
import NodeCore
import Primitives
import Transfer
import Wire

/// A link with its control stream: sends and receives messages instead of bytes. Bound to the loop.
final class LinkConnection {
  /// Message bytes that may wait for a peer that does not read; beyond this, the link is closed.
  private static let maximumBacklog = 4 << 20

  /// Work per second that a peer's messages may cause; beyond this, its window closes for a while. This is several
  /// times what loading thousands of files one by one needs, and a small part of what a core can do.
  static let workRate = 5_000.0

  let id: LinkID
  let link: Link
  /// Called when a message arrives.
  var onMessage: ((ControlMessage) -> Void)?
  /// Called when the peer opens a fetch stream.
  var onFetchStream: ((any ByteStream, [UInt8]) -> Void)?
  /// Called when the peer opens a batch stream.
  var onBatchStream: ((any ByteStream, [UInt8]) -> Void)?

  /// The feed streams.
  let feeds: FeedStreams

  private var control: (any ByteStream)?
  private var decoder = FrameDecoder(limit: WireLimits.frame)
  private var backlog: [UInt8] = []
  private let loop: EventLoop
  private var work: TokenBucket

  init(id: LinkID, link: Link, loop: EventLoop) {
    self.id = id
    self.link = link
    self.loop = loop
    work = TokenBucket(rate: Self.workRate, at: loop.now)
    feeds = FeedStreams {
      link.openStream(window: $0)
    } closeLink: {
      link.close()
    }
  }

  /// Starts to receive. The dialer opens the control stream.
  func start() {
    link.onStream = { [weak self] in self?.opened($0) }
    guard link.isDialer else { return }
    let stream = link.openStream()
    stream.write([StreamKind.control.rawValue])
    attach(stream)
  }

  func send(_ message: ControlMessage) {
    guard let control else {
      backlog += message.encoded
      return
    }
    // No goodbye: the peer is not reading.
    guard control.queuedBytes < Self.maximumBacklog else { return link.close() }
    control.write(message.encoded)
  }

  /// Sends a last message and closes the link.
  func close(_ goodbye: Goodbye) {
    send(.goodbye(goodbye))
    link.close()
  }

  private func opened(_ stream: any ByteStream) {
    stream.onData = { [weak self, weak stream] bytes in
      guard let self, let stream else { return }
      self.identify(stream, Array(bytes))
    }
  }

  /// The first byte of a stream says what it is for.
  private func identify(_ stream: any ByteStream, _ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    stream.onData = nil
    switch StreamKind(rawValue: first) {
    case .control where control == nil && !link.isDialer:
      stream.consumed(1)
      attach(stream)
      receive(Array(bytes.dropFirst()))
    case .fetch:
      stream.consumed(bytes.count)
      if let onFetchStream { onFetchStream(stream, Array(bytes.dropFirst())) } else { stream.reset() }
    case .batch:
      stream.consumed(bytes.count)
      if let onBatchStream { onBatchStream(stream, Array(bytes.dropFirst())) } else { stream.reset() }
    case .feed:
      stream.consumed(bytes.count)
      feeds.opened(stream, Array(bytes.dropFirst()))
    case .control: violation("a second control stream")
    case nil: stream.reset()
    }
  }

  private func attach(_ stream: any ByteStream) {
    control = stream
    stream.onData = { [weak self] bytes in self?.receive(Array(bytes)) }
    stream.onEnd = { [weak self] _ in self?.link.close() }
    guard !backlog.isEmpty else { return }
    stream.write(backlog)
    backlog = []
  }

  private func receive(_ bytes: [UInt8]) {
    decoder.append(bytes)
    var cost = 0
    do throws(WireError) {
      while let frame = try decoder.next() {
        let message = try ControlMessage.decode(frame)
        cost += message?.work ?? 1
        if let message { onMessage?(message) }
      }
    } catch {
      return violation("\(error)")
    }
    letMoreCome(bytes.count, after: cost)
  }

  private func letMoreCome(_ count: Int, after cost: Int) {
    let delay = work.delay(for: cost, rate: Self.workRate, at: loop.now)
    guard delay > .zero else { return control?.consumed(count) ?? () }
    _ = loop.after(delay) { [weak self] in self?.control?.consumed(count) }
  }

  private func violation(_ reason: String) {
    close(Goodbye(.violation, reason))
  }
}

extension ControlMessage {
  /// The approximate work that it causes: 1 for a file lookup, 2 for checking a signature.
  fileprivate var work: Int {
    switch self {
    case .presence(let records): 1 + 2 * records.count
    case .channels(let proofs): 1 + proofs.count
    case .hello(let hello): 1 + hello.proofs.count
    case .find, .found, .goodbye, .waiting, .aborted: 1
    }
  }
}
