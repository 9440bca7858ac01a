import EventLoop
import Links

/// Links that this node has helped to open, and on which it may be the other node that opens the control stream. Bound to
/// the loop.
final class ControlStreams<Key: Hashable> {
  /// A control stream that the other node has opened, with its first bytes.
  typealias Accepted = (control: any ByteStream, first: [UInt8])

  private let loop: EventLoop
  private var awaited: [Key: IncomingLink] = [:]

  init(loop: EventLoop) { self.loop = loop }

  /// The keys of the links whose control streams are awaited.
  var keys: Set<Key> { Set(awaited.keys) }

  /// Waits for the control stream of a link if the other node opens it. Either `ready` or `failed` is called once, unless
  /// the link is cancelled first: with the stream, or nil if this node opens it; or with the reason.
  func add(
    _ link: Link, as key: Key, ready: @escaping (Accepted?) -> Void, failed: @escaping (String) -> Void
  ) {
    guard !link.isDialer else { return ready(nil) }
    awaited[key] = IncomingLink(link, loop: loop) { [weak self] purpose in
      guard let self, awaited.removeValue(forKey: key) != nil else { return link.close() }
      guard case .control(let stream, let first) = purpose else {
        link.close()
        return failed("The node ended the link before it had said anything.")
      }
      ready((stream, first))
    }
  }

  /// Closes the link, without a report. Idempotent.
  func cancel(_ key: Key) { awaited.removeValue(forKey: key)?.close() }
}
