import Links
import Primitives
import Wire

/// The opener's request for a joined lane: a stream that ends with the relay's answer. Bound to the loop.
final class LaneAsking {
  private let stream: any ByteStream
  private var decoder = FrameDecoder(limit: RelayFrame.limit)
  private var onAnswer: ((LaneAnswer?) -> Void)?

  /// Asks for a lane to the target, over this channel.
  ///
  /// - Parameters:
  ///   - open: opens a stream of the link to the relay.
  ///   - onAnswer: called once with the answer, unless `cancel` is called first; nil if the stream ended without one.
  init(for target: NodeID, over topic: Topic, open: StreamOpener, onAnswer: @escaping (LaneAnswer?) -> Void) {
    self.onAnswer = onAnswer
    stream = open(RelayWindow.first)
    stream.onData = { [weak self] in self?.receive($0) }
    stream.onEnd = { [weak self] _ in self?.end(nil) }
    stream.write(
      [StreamKind.relay.rawValue] + RelayRequest(topic: topic, target: target, use: RelayFrame.lane).encoded)
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    stream.consumed(bytes.count)
    decoder.append(bytes)
    do throws(WireError) {
      guard let frame = try decoder.next() else { return }
      end(try LaneAnswer.decode(frame))
    } catch {
      end(nil)
    }
  }

  private func end(_ answer: LaneAnswer?) {
    let tell = onAnswer
    cancel()
    tell?(answer)
  }

  /// Gives up; nothing is called afterwards. Idempotent.
  func cancel() {
    onAnswer = nil
    stream.reset()
  }
}
