import EventLoop
import Primitives
import Wire

/// Has another node send parts of a file, and compares them with what is here. Bound to the loop.
final class PossessionCheck {
  /// Parts of a file: where they are, and their bytes as they are here.
  typealias Sample = [(range: ByteRange, bytes: [UInt8])]

  /// How long the node may send nothing.
  private static let patience: Duration = .seconds(30)

  private let ranges: RangeClient
  private let sample: Sample
  private let limiter: RateLimiter
  /// Called once: nil if every byte was right.
  private var onEnd: ((KacheryError?) -> Void)?
  /// The part that is arriving, and how many of its bytes have arrived.
  private var part = 0
  private var arrived = 0
  private var timer: Timer?
  private var heardAt: Instant

  init(
    _ ranges: RangeClient, _ sample: Sample, loop: EventLoop, limiter: RateLimiter,
    onEnd: @escaping (KacheryError?) -> Void
  ) {
    self.ranges = ranges
    self.sample = sample
    self.limiter = limiter
    self.onEnd = onEnd
    heardAt = loop.now
    ranges.onEvent = { [weak self] event in
      self?.heardAt = loop.now
      self?.receive(event)
    }
    ranges.onEnd = { [weak self] in
      self?.end(KacheryError(.disconnected, "the link to it was lost"))
    }
    timer = loop.after(.seconds(1), repeating: .seconds(1)) { [weak self] in
      guard let self, loop.now - heardAt > Self.patience else { return }
      end(KacheryError(.timedOut, "it did not answer"))
    }
  }

  /// Requests the parts.
  func begin(_ hash: ContentHash, over topic: Topic) {
    guard !sample.isEmpty else { return end(nil) }
    for (range, _) in sample { ranges.request(range, of: hash, over: topic) }
  }

  /// Ends early, because the node is stopping.
  func close() { end(KacheryError(.cancelled, "this node is stopping")) }

  private func receive(_ event: RangeClient.Event) {
    switch event {
    case .began: break
    case .bytes(let bytes): compare(bytes)
    case .ended: endPart()
    case .refused(let refusal): end(Self.error(refusal))
    case .wrongCount: end(Self.otherBytes)
    }
  }

  private func compare(_ bytes: UnsafeRawBufferPointer) {
    guard sample.indices.contains(part) else { return end(Self.otherBytes) }
    let wanted = sample[part].bytes.dropFirst(arrived).prefix(bytes.count)
    guard wanted.elementsEqual(bytes) else { return end(Self.otherBytes) }
    arrived += bytes.count
    let count = bytes.count
    limiter.pass(count) { [weak self] in self?.ranges.consumed(count) }
  }

  private func endPart() {
    guard sample.indices.contains(part), arrived == sample[part].bytes.count else { return end(Self.otherBytes) }
    part += 1
    arrived = 0
    if part == sample.count { end(nil) }
  }

  private func end(_ problem: KacheryError?) {
    timer?.cancel()
    ranges.close()
    onEnd.take()?(problem)
  }

  private static var otherBytes: KacheryError { KacheryError(.hashMismatch, "its bytes differ from those here") }

  private static func error(_ refusal: Refusal) -> KacheryError {
    switch refusal {
    case .notHere: KacheryError(.notFound, "it does not have it any more")
    case .outOfRange, .damaged, .changed: KacheryError(.hashMismatch, "its copy is damaged or has changed")
    case .limitReached: KacheryError(.sourceBusy, "it is busy, or is removing the file as well; try again later")
    default: KacheryError(.refusedByPeer, "it does not send it")
    }
  }
}
