import EventLoop
import Links
import NodeCore
import Primitives
import Transfer
import Wire

/// A link with its control stream: messages in and out in place of bytes. Bound to the loop.
final class LinkConnection {
  /// Bytes of messages that may wait for a peer that takes none; one that lets more pile up is cut off.
  private static let maximumBacklog = 4 << 20

  /// Work a second that a peer's messages may make here; one that sends more finds its window closed for a while. It is
  /// several times what a node needs that loads thousands of files one by one, and a small part of what a core can do.
  static let workRate = 5_000.0

  let id: LinkID
  let link: Link
  /// A message has come.
  var onMessage: ((ControlMessage) -> Void)?
  /// The peer has opened a stream to fetch from.
  var onFetchStream: ((LinkStream, [UInt8]) -> Void)?
  /// The peer has opened a stream to ask for many small files.
  var onBatchStream: ((LinkStream, [UInt8]) -> Void)?

  /// What is said of feeds.
  let feeds: FeedStreams

  private var control: LinkStream?
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

  /// Begins to listen. The dialer opens the control stream.
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
    // Without a last message: a peer that takes none would not take that one either.
    guard control.queuedBytes < Self.maximumBacklog else { return link.close() }
    control.write(message.encoded)
  }

  /// Sends a last message and closes the link.
  func close(_ goodbye: Goodbye) {
    send(.goodbye(goodbye))
    link.close()
  }

  private func opened(_ stream: LinkStream) {
    stream.onData = { [weak self, weak stream] bytes in
      guard let self, let stream else { return }
      self.identify(stream, Array(bytes))
    }
  }

  /// The first byte of a stream says what it is for.
  private func identify(_ stream: LinkStream, _ bytes: [UInt8]) {
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

  private func attach(_ stream: LinkStream) {
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
  /// About how much work it makes, where to look for a file is one; checking a signature is two.
  fileprivate var work: Int {
    switch self {
    case .presence(let records): 1 + 2 * records.count
    case .channels(let proofs): 1 + proofs.count
    case .hello(let hello): 1 + hello.proofs.count
    case .find, .found, .goodbye, .waiting, .aborted: 1
    }
  }
}
