import Links
import NodeCore
import Primitives
import Wire

/// A link with its control stream: messages in and out in place of bytes. Bound to the loop.
final class LinkConnection {
  /// Bytes of messages that may wait for a peer that takes none; one that lets more pile up is cut off.
  private static let maximumBacklog = 4 << 20

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

  init(id: LinkID, link: Link) {
    self.id = id
    self.link = link
    feeds = FeedStreams(link)
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
    control?.consumed(bytes.count)
    decoder.append(bytes)
    do throws(WireError) {
      while let frame = try decoder.next() {
        if let message = try ControlMessage.decode(frame) { onMessage?(message) }
      }
    } catch {
      violation("\(error)")
    }
  }

  private func violation(_ reason: String) {
    close(Goodbye(.violation, reason))
  }
}
