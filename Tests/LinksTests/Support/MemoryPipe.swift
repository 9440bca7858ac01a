import EventLoop
import Primitives
import TestSupport

@testable import Links

/// One end of a pair of pipes in memory. Bound to the loop.
final class MemoryPipe: BytePipe {
  var onData: ((UnsafeRawBufferPointer) -> Void)?
  var onDrain: (() -> Void)?
  var onEnd: ((KacheryError?) -> Void)?
  let remoteEndpoint: Endpoint?

  let wire: MemoryWire
  private let side: MemoryWire.Side
  fileprivate private(set) var isReading = false
  private var isClosed = false

  fileprivate init(wire: MemoryWire, side: MemoryWire.Side, remoteEndpoint: Endpoint?) {
    self.wire = wire
    self.side = side
    self.remoteEndpoint = remoteEndpoint
  }

  var pendingBytes: Int { wire.pendingBytes(from: side) }

  func write(_ bytes: UnsafeRawBufferPointer) { if !isClosed { wire.send(bytes, from: side) } }

  func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

  func resumeReading() {
    isReading = true
    wire.schedule()
  }

  var delivery: DeliveryState? { nil }

  func preferThroughput() {}

  func limitUnsentBytes() {}

  func pauseReading() { isReading = false }

  func close() {
    (onData, onDrain, onEnd) = (nil, nil, nil)
    guard !isClosed else { return }
    isClosed = true
    isReading = false
    wire.close(side)
  }

  fileprivate func end(_ error: KacheryError?) {
    let tell = onEnd
    close()
    tell?(error)
  }
}

/// What connects the two ends of a pair: delivers bytes turn by turn, in pieces whose sizes the seed decides.
///
/// Like the kernel it takes `capacity` bytes from a writer and holds back the rest. The pipes own the wire.
final class MemoryWire {
  enum Side: Int, CaseIterable {
    case first
    case second

    var other: Side { self == .first ? .second : .first }
  }

  private struct Direction {
    var bytes: [UInt8] = []
    var head = 0
    /// Whether the writer waits for everything to be taken.
    var isWaiting = false
    /// Whether the writer has closed its end.
    var isFinished = false
    /// Whether the reader has been told the end, or does not want it.
    var isOver = false

    var count: Int { bytes.count - head }

    mutating func take(_ count: Int) -> [UInt8] {
      defer {
        head += count
        if head == bytes.count || head > 1 << 20 {
          bytes.removeFirst(head)
          head = 0
        }
      }
      return Array(bytes[head..<head + count])
    }
  }

  /// Bytes delivered so far, in both directions together.
  private(set) var deliveredBytes = 0

  /// The most bytes that each direction delivers in a turn, and the time between turns; nil for as fast as possible.
  var pace: (bytes: Int, period: Duration)?

  private let capacity: Int
  private var random: SeededRandom
  private weak var first: MemoryPipe?
  private weak var second: MemoryPipe?
  private var directions = [Direction(), Direction()]
  private var cutAfter: Int?
  private var damaged: Int?
  private var watched: (count: Int, body: () -> Void)?
  private(set) var isCut = false
  private var isScheduled = false
  private var turn: ((Duration?) -> Void)?

  /// A pair of ends on this loop, which see these addresses of each other.
  static func pair(
    on loop: EventLoop, seed: UInt64, capacity: Int = 64 << 10, addresses: (Endpoint?, Endpoint?) = (nil, nil)
  ) -> (MemoryPipe, MemoryPipe) {
    let wire = MemoryWire(seed: seed, capacity: capacity)
    let first = MemoryPipe(wire: wire, side: .first, remoteEndpoint: addresses.0)
    let second = MemoryPipe(wire: wire, side: .second, remoteEndpoint: addresses.1)
    (wire.first, wire.second) = (first, second)
    let post = loop.receiver { [weak wire] (_: Bool) in wire?.deliver() }
    wire.turn = { [weak wire] delay in
      guard let delay else { return post(true) }
      _ = loop.after(delay) { wire?.deliver() }
    }
    return (first, second)
  }

  private init(seed: UInt64, capacity: Int) {
    random = SeededRandom(seed: seed)
    self.capacity = capacity
  }

  // MARK: Faults

  /// Breaks the wire: what is under way is lost, and each end is told in the next turn.
  func cut() {
    isCut = true
    schedule()
  }

  /// Breaks the wire when this many bytes have been delivered, in both directions together.
  func cut(afterBytes count: Int) {
    cutAfter = count
    if count <= deliveredBytes { cut() }
  }

  /// Runs `body` once when this many bytes have been delivered, in both directions together.
  func onDelivered(_ count: Int, _ body: @escaping () -> Void) { watched = (count, body) }

  /// Changes the byte with this number among the delivered bytes of both directions.
  func damage(byte number: Int) { damaged = number }

  // MARK: The ends

  fileprivate func pendingBytes(from side: Side) -> Int { max(0, directions[side.rawValue].count - capacity) }

  fileprivate func send(_ bytes: UnsafeRawBufferPointer, from side: Side) {
    guard !isCut, !directions[side.rawValue].isOver else { return }
    directions[side.rawValue].bytes.append(contentsOf: bytes)
    if pendingBytes(from: side) > 0 { directions[side.rawValue].isWaiting = true }
    schedule()
  }

  /// An end has closed: the bytes that the wire has taken still arrive, and then the end.
  fileprivate func close(_ side: Side) {
    let pending = pendingBytes(from: side)
    directions[side.rawValue].bytes.removeLast(pending)
    directions[side.rawValue].isFinished = true
    directions[side.other.rawValue] = Direction(isOver: true)
    schedule()
  }

  private func pipe(_ side: Side) -> MemoryPipe? { side == .first ? first : second }

  // MARK: Turns

  fileprivate func schedule() {
    guard !isScheduled else { return }
    isScheduled = true
    turn?(pace?.period)
  }

  private func deliver() {
    isScheduled = false
    let sides = random.chance(50) ? Side.allCases : Side.allCases.reversed()
    for side in sides where !isCut { deliver(from: side) }
    if isCut {
      let error = KacheryError(.disconnected, "The wire was cut.")
      for side in sides { pipe(side)?.end(random.chance(50) ? nil : error) }
    } else if sides.contains(where: canDeliver) {
      schedule()
    }
  }

  private func canDeliver(from side: Side) -> Bool {
    let direction = directions[side.rawValue]
    guard !direction.isOver, pipe(side.other)?.isReading == true else { return false }
    return direction.count > 0 || direction.isFinished
  }

  private func deliver(from side: Side) {
    guard canDeliver(from: side), let receiver = pipe(side.other) else { return }
    guard directions[side.rawValue].count > 0 else {
      directions[side.rawValue].isOver = true
      return receiver.end(nil)
    }
    let room = cutAfter.map { $0 - deliveredBytes } ?? .max
    var piece = directions[side.rawValue].take(min(pieceSize(), directions[side.rawValue].count, capacity, room))
    if let damaged, (deliveredBytes..<deliveredBytes + piece.count).contains(damaged) {
      piece[damaged - deliveredBytes] ^= UInt8(random.number(1...255))
    }
    deliveredBytes += piece.count
    if piece.count == room { isCut = true }
    piece.withUnsafeBytes { receiver.onData?($0) }
    if let watched, deliveredBytes >= watched.count {
      self.watched = nil
      watched.body()
    }
    guard directions[side.rawValue].isWaiting, pendingBytes(from: side) == 0 else { return }
    directions[side.rawValue].isWaiting = false
    pipe(side)?.onDrain?()
  }

  /// Mostly what a socket returns from one read, sometimes a few bytes.
  private func pieceSize() -> Int {
    if let pace { return pace.bytes }
    return switch random.number(1...10) {
    case 1: random.number(1...16)
    case 2...4: random.number(1...2_000)
    default: random.number(1...capacity)
    }
  }
}
