import EventLoop
import Links
import Primitives
import Wire

/// A link that another node has opened, before it is known whether it is an independent link or a lane. Bound to the
/// loop.
final class IncomingLink {
  /// The purpose of the link.
  enum Purpose {
    /// Its control stream has arrived, with the first bytes.
    case control(any ByteStream, [UInt8])
    case lane(LaneRequest)
  }

  /// How long the peer may take to show the purpose.
  private static let time: Duration = .seconds(10)

  let link: Link
  private var onPurpose: ((Purpose?) -> Void)?
  private var deadline: Timer?
  private var decoder = FrameDecoder(limit: LaneRequest.frameLimit)

  /// - Parameter onPurpose: called once; with nil if the peer sends nothing, or anything else.
  init(_ link: Link, loop: EventLoop, onPurpose: @escaping (Purpose?) -> Void) {
    self.link = link
    self.onPurpose = onPurpose
    deadline = loop.after(Self.time) { [weak self] in self?.end(nil) }
    link.onStream = { [weak self] stream in
      StreamOpening.read(stream) { self?.opened($0, $1, $2) }
    }
    link.onClose = { [weak self] _ in self?.end(nil) }
  }

  private func opened(_ kind: StreamKind, _ stream: any ByteStream, _ first: [UInt8]) {
    switch kind {
    case .control: end(.control(stream, first))
    case .lane:
      stream.onData = { [weak self, weak stream] bytes in
        stream?.consumed(bytes.count)
        self?.receive(Array(bytes))
      }
      stream.finish()
      receive(first)
    case .fetch, .batch, .feed, .relay, .relayed: end(nil)
    }
  }

  private func receive(_ bytes: [UInt8]) {
    decoder.append(bytes)
    do throws(WireError) {
      guard let frame = try decoder.next() else { return }
      end(.lane(try LaneRequest.decode(frame)))
    } catch {
      end(nil)
    }
  }

  /// Closes the link, if the peer has not shown its purpose. Idempotent.
  func close() { end(nil) }

  private func end(_ purpose: Purpose?) {
    guard let tell = onPurpose else { return }
    onPurpose = nil
    deadline?.cancel()
    link.onStream = nil
    link.onClose = nil
    if purpose == nil { link.close() }
    tell(purpose)
  }
}
