internal import CUV
import Glibc
package import Primitives

/// Two connections whose bytes the kernel passes from one to the other, in both directions. Bound to the loop.
///
/// The bytes do not enter this process, unless the kernel cannot splice. A receiver that takes nothing holds back the
/// sender, as on one connection: at most one pipe of bytes waits here. An end of one direction is passed on after its last
/// byte, and the splice ends in order after both; an error of either connection ends both.
///
/// Directions are numbered: 0 from the first connection to the second, and 1 back. Its user decides when bytes pass.
package final class SocketSplice {
  /// Bytes that wait between the two sockets.
  private enum Held {
    case none
    case piped(SplicePipe, count: Int)
    case copied(ArraySlice<UInt8>)

    var isEmpty: Bool { if case .none = self { true } else { false } }
  }

  private struct Direction {
    var held = Held.none
    /// Whether the source may have bytes, and the sink room, as far as is known.
    var isReadable = false
    var isWritable = true
    /// Whether the source has finished, and its end was passed on to the sink.
    var isOver = false

    var canPass: Bool { !isOver && (held.isEmpty ? isReadable : isWritable) }
  }

  /// Called when bytes of a direction can pass that could not before.
  package var onReady: ((Int) -> Void)?
  /// Called once when nothing more passes: with nil after both directions have ended in order. Not called after `close`.
  package var onEnd: ((KacheryError?) -> Void)?

  private let sockets: [SplicedSocket]
  private let pipes: SplicePipes
  private let scratch: UnsafeMutableRawBufferPointer
  private var directions = [Direction(), Direction()]
  private var isClosed = false

  /// Takes over two connections, which are closed if this fails. Bytes that they have delivered already do not pass.
  ///
  /// - Throws: if the process has no descriptors left.
  package init(
    _ first: TCPConnection, _ second: TCPConnection, through pipes: SplicePipes
  ) throws(KacheryError) {
    self.pipes = pipes
    scratch = first.loop.core.readBuffer
    for connection in [first, second] { connection.preferThroughput() }
    let one: SplicedSocket
    do throws(KacheryError) { one = try SplicedSocket(taking: first) } catch {
      first.close()
      second.close()
      throw error
    }
    do throws(KacheryError) { sockets = [one, try SplicedSocket(taking: second)] } catch {
      one.close(isReset: true)
      second.close()
      throw error
    }
    for (index, socket) in sockets.enumerated() {
      socket.onEvents = { [weak self] in self?.handle($0, of: index) }
    }
    watch()
  }

  deinit {
    guard !isClosed else { return }
    // Nothing else refers to them, and only the loop touches them.
    nonisolated(unsafe) let sockets = sockets
    sockets[0].loop.post { for socket in sockets { socket.close(isReset: true) } }
  }

  // MARK: Readiness

  private func handle(_ events: SplicedSocket.Interest?, of index: Int) {
    guard let events else { return end(KacheryError(.disconnected, "One of the two connections broke.")) }
    if events.contains(.readable) { directions[index].isReadable = true }
    if events.contains(.writable) { directions[1 - index].isWritable = true }
    for direction in [index, 1 - index] where directions[direction].canPass { onReady?(direction) }
  }

  /// Watches the sockets for whatever the directions lack. To be called when bytes could pass and do not pass soon: the
  /// loop would otherwise report the same again and again.
  package func watch() {
    guard !isClosed else { return }
    for index in 0..<2 {
      let (outward, inward) = (directions[index], directions[1 - index])
      var interest: SplicedSocket.Interest = []
      if outward.held.isEmpty, !outward.isReadable, !outward.isOver { interest.insert(.readable) }
      if !inward.held.isEmpty, !inward.isWritable { interest.insert(.writable) }
      sockets[index].watch(for: interest)
    }
  }

  // MARK: Bytes

  /// Whether `pass` may move bytes of this direction, or its end.
  package func canPass(_ direction: Int) -> Bool { !isClosed && directions[direction].canPass }

  /// Whether bytes of this direction wait for the receiver to take some.
  package func isBlocked(_ direction: Int) -> Bool {
    !directions[direction].held.isEmpty && !directions[direction].isWritable
  }

  /// Whether the sender of this direction has finished.
  package func isOver(_ direction: Int) -> Bool { directions[direction].isOver }

  /// Moves bytes: at most `limit`, and one pipe. May end the splice.
  ///
  /// - Returns: how many bytes the receiver's side has taken.
  package func pass(_ direction: Int, upTo limit: Int) -> Int {
    guard canPass(direction), limit > 0 else { return 0 }
    if directions[direction].held.isEmpty { fill(direction, upTo: min(limit, SplicePipes.capacity)) }
    let count = isClosed ? 0 : drain(direction)
    watch()
    return count
  }

  private func fill(_ direction: Int, upTo limit: Int) {
    // The loop reports whether there is more: others get their turns in between.
    directions[direction].isReadable = false
    let source = sockets[direction].descriptor
    if let pipe = pipes.take() {
      let count = CUV_splice(source, pipe.input, limit)
      if count > 0 {
        directions[direction].held = .piped(pipe, count: count)
        return
      }
      pipes.release(pipe)
      guard count == Int(-EINVAL) || count == Int(-ENOSYS) else { return ended(direction, count) }
      pipes.areUsable = false
    }
    let count = CUV_read(source, scratch.baseAddress, limit)
    guard count > 0 else { return ended(direction, count) }
    directions[direction].held = .copied(Array(scratch[..<count])[...])
  }

  /// - Parameter result: 0 at the end of the source, or a negated errno.
  private func ended(_ direction: Int, _ result: Int) {
    switch Int32(result) {
    case -EAGAIN: break
    case 0:
      directions[direction].isOver = true
      sockets[1 - direction].finish()
      if directions.allSatisfy(\.isOver) { end(nil) }
    default: end(UVError.error(Int32(result), "One of the two connections broke"))
    }
  }

  private func drain(_ direction: Int) -> Int {
    let sink = sockets[1 - direction].descriptor
    var passed = 0
    while true {
      let count: Int
      switch directions[direction].held {
      case .none: return passed
      case .piped(let pipe, let left):
        count = CUV_splice(pipe.output, sink, left)
        if count > 0 { took(count, of: left, pipe, direction) }
      case .copied(let bytes):
        count = bytes.withUnsafeBytes { CUV_write(sink, $0.baseAddress, $0.count) }
        if count > 0 { directions[direction].held = count < bytes.count ? .copied(bytes.dropFirst(count)) : .none }
      }
      guard count > 0 else {
        directions[direction].isWritable = false
        if count != Int(-EAGAIN) { end(UVError.error(Int32(count), "One of the two connections broke")) }
        return passed
      }
      passed += count
    }
  }

  private func took(_ count: Int, of left: Int, _ pipe: SplicePipe, _ direction: Int) {
    guard count == left else {
      directions[direction].held = .piped(pipe, count: left - count)
      return
    }
    directions[direction].held = .none
    pipes.release(pipe)
  }

  // MARK: The end

  private func end(_ error: KacheryError?) {
    guard !isClosed else { return }
    let tell = onEnd
    close(isReset: error != nil)
    tell?(error)
  }

  /// Breaks both connections, unless both directions have ended. Idempotent.
  package func close() { close(isReset: true) }

  private func close(isReset: Bool) {
    guard !isClosed else { return }
    isClosed = true
    (onReady, onEnd) = (nil, nil)
    // Pipes with bytes in them are closed.
    directions = directions.map { _ in Direction() }
    for socket in sockets { socket.close(isReset: isReset) }
  }
}
