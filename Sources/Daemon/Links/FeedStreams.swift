import Links
import Primitives
import Wire

/// The two feed streams of a link: this node sends requests on one, the peer on the other. Bound to the loop.
final class FeedStreams {
  /// Message bytes that may wait to be checked and stored; beyond this, the peer's window stays closed.
  private static let maximumUndealt = 1 << 20
  /// Answer bytes that may wait for a peer that does not read; beyond this, the link is closed.
  private static let maximumBacklog = 8 << 20
  /// Bytes that a peer may send ahead: a whole batch of messages.
  private static let window = 1 << 20

  private let open: StreamOpener
  private let closeLink: () -> Void
  var onRequest: ((FeedRequest) -> Void)?
  var onAnswer: ((FeedAnswer) -> Void)?
  /// Called when the last answer has been sent, so that there is room for more.
  var onMessagesLeft: (() -> Void)?

  private var asking: (any ByteStream)?
  private var answering: (any ByteStream)?
  private var requests = FrameDecoder(limit: FeedRequest.frameLimit)
  private var answers = FrameDecoder(limit: FeedAnswer.frameLimit)
  private var unreleased = 0
  private var withheld = 0
  private var isWaitingForRoom = false

  /// - Parameters:
  ///   - open: opens a stream of the link.
  ///   - closeLink: closes the link after a protocol violation by the peer.
  init(open: @escaping StreamOpener, closeLink: @escaping () -> Void) {
    self.open = open
    self.closeLink = closeLink
  }

  /// Streams that are open.
  var count: Int { (asking == nil ? 0 : 1) + (answering == nil ? 0 : 1) }

  // MARK: This node's requests

  func ask(_ request: FeedRequest) {
    let stream = asking ?? openStream()
    stream.write(request.encoded)
  }

  private func openStream() -> any ByteStream {
    let stream = open(Self.window)
    asking = stream
    stream.onData = { [weak self] bytes in self?.receiveAnswers(Array(bytes)) }
    stream.onEnd = { [weak self] _ in self?.closeLink() }
    stream.write([StreamKind.feed.rawValue])
    return stream
  }

  private func receiveAnswers(_ bytes: [UInt8]) {
    answers.append(bytes)
    do throws(WireError) {
      while let frame = try answers.next() {
        guard let answer = try FeedAnswer.decode(frame) else { continue }
        if case .messages(_, _, _, let messages) = answer { unreleased += FeedAnswer.memory(of: messages) }
        onAnswer?(answer)
      }
    } catch {
      return closeLink()
    }
    if unreleased > Self.maximumUndealt { withheld += bytes.count } else { asking?.consumed(bytes.count) }
  }

  /// Releases `count` bytes of received messages to the peer's window.
  func released(_ count: Int) {
    unreleased -= count
    guard unreleased <= Self.maximumUndealt, withheld > 0 else { return }
    asking?.consumed(withheld)
    withheld = 0
  }

  // MARK: The peer's requests

  /// Accepts the stream that the peer has opened, with its first bytes.
  func opened(_ stream: any ByteStream, _ first: [UInt8]) {
    guard answering == nil else { return closeLink() }
    answering = stream
    stream.onData = { [weak self] bytes in
      self?.answering?.consumed(bytes.count)
      self?.receiveRequests(Array(bytes))
    }
    stream.onEnd = { [weak self] _ in self?.closeLink() }
    stream.onWritable = { [weak self] in self?.tellRoom() }
    receiveRequests(first)
  }

  private func receiveRequests(_ bytes: [UInt8]) {
    requests.append(bytes)
    do throws(WireError) {
      while let frame = try requests.next() {
        if let request = try FeedRequest.decode(frame) { onRequest?(request) }
      }
    } catch {
      closeLink()
    }
  }

  func answer(_ answer: FeedAnswer) {
    guard let answering else { return }
    guard answering.queuedBytes < Self.maximumBacklog else { return closeLink() }
    answering.write(answer.encoded)
    guard case .messages = answer else { return }
    isWaitingForRoom = true
    tellRoom()
  }

  private func tellRoom() {
    guard isWaitingForRoom, answering?.isWritable == true else { return }
    isWaitingForRoom = false
    onMessagesLeft?()
  }
}
