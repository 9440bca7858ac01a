import EventLoop
import Primitives
import TLS
import TestSupport

@testable import Links

/// Two ends that make a link over a wire that fails, send each other data, and count how each end came out. Bound to the
/// loop.
final class BrokenWire {
  /// What happened at one end.
  struct Outcome: Equatable, Sendable {
    var links = 0
    var failures = 0
    var closings = 0
    /// Why the link closed; nil if in order.
    var reason: String?

    /// Whether the end was told exactly once: that there is no link, or that the link is closed.
    var isRight: Bool { failures + closings == 1 && links == closings }
  }

  let wire: MemoryWire
  private(set) var outcomes = [Outcome(), Outcome()]
  /// Bytes that the wire had delivered when both ends had their link.
  private(set) var handshakeBytes: Int?

  private let loop: EventLoop
  private let ends: [(pipe: any BytePipe, handshake: LinkHandshake)]
  private let bytesPerStream: Int
  private let handshakeTime: Duration
  private var links: [Link] = []
  private var done: (() -> Void)?

  /// - Parameter bytesPerStream: what each end sends on each of three streams.
  convenience init(
    loop: EventLoop, seed: UInt64, scratch: ScratchBuffer, bytesPerStream: Int, handshakeTime: Duration = .seconds(60)
  ) throws {
    let pipes = MemoryWire.pair(on: loop, seed: seed)
    try self.init(
      loop: loop, pipes: pipes, wire: pipes.0.wire, scratch: scratch, bytesPerStream: bytesPerStream,
      handshakeTime: handshakeTime)
  }

  /// A link over these pipes, which this wire carries.
  init(
    loop: EventLoop, pipes: (any BytePipe, any BytePipe), wire: MemoryWire, scratch: ScratchBuffer, bytesPerStream: Int,
    handshakeTime: Duration
  ) throws {
    self.loop = loop
    self.wire = wire
    self.handshakeTime = handshakeTime
    self.bytesPerStream = bytesPerStream
    let identities = try TestIdentities.shared.get()
    ends = [(pipes.0, true), (pipes.1, false)].map { pipe, isDialer in
      let handshake = PipeHandshake(
        loop: loop, pipe: pipe, identity: isDialer ? identities.dialer : identities.listener, scratch: scratch,
        isDialer: isDialer, expectedPeer: isDialer ? identities.listenerID : nil)
      return (pipe, LinkHandshake(loop: loop, handshake: handshake, isIncoming: !isDialer))
    }
  }

  /// Runs until both ends are told their end, and a moment longer.
  func run(_ done: @escaping () -> Void) {
    self.done = done
    for (index, end) in ends.enumerated() {
      end.handshake.start(timeout: handshakeTime) { result in
        switch result {
        case .success(let link): self.opened(link, index)
        case .failure:
          self.outcomes[index].failures += 1
          self.finishIfOver()
        }
      }
    }
  }

  /// An end sends bytes that its session did not make.
  func inject(_ bytes: [UInt8], at index: Int) { bytes.withUnsafeBytes { ends[index].pipe.write($0) } }

  private func opened(_ link: Link, _ index: Int) {
    links.append(link)
    outcomes[index].links += 1
    if links.count == 2 { handshakeBytes = wire.deliveredBytes }
    link.onClose = { error in
      self.outcomes[index].closings += 1
      self.outcomes[index].reason = error?.message
      self.finishIfOver()
    }
    link.onStream = { echo($0) }
    var ended = 0
    for _ in 0..<3 {
      let stream = link.openStream()
      drain(stream) { [weak link] _ in
        ended += 1
        // The wire may turn out to be intact.
        if ended == 3, link?.isDialer == true { link?.close() }
      }
      pour([UInt8](repeating: 7, count: bytesPerStream), into: stream)
    }
  }

  private func finishIfOver() {
    guard outcomes.allSatisfy({ $0.failures + $0.closings > 0 }), let tell = done else { return }
    done = nil
    // Whatever else might be told comes within these turns.
    _ = loop.after(.milliseconds(2)) {
      self.links = []
      tell()
    }
  }
}
