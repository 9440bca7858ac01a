import Glibc
import Primitives
import TestSupport
import Testing

@testable import EventLoop

/// `SocketSplice`: two connections that become one.
@Suite(.timeLimit(.minutes(1))) struct SocketSpliceTests {
  @Test(arguments: [true, false], [1, 100_000, 20 << 20])
  func bytesPassWholeInBothDirections(areUsable: Bool, count: Int) async throws {
    let world = try await SplicedWorld.start(areUsable: areUsable)
    let (there, back) = (PatternBytes.make(count, seed: 1), PatternBytes.make(count, seed: 2))
    await world.send(there, back)
    await world.finish(0)
    await world.finish(1)
    await world.wait { !$0.ends.isEmpty && $0.finished == [true, true] }
    #expect(await world.received == [back, there])
    #expect(await world.ends == [nil])
    #expect(await world.passed == [count, count])
    await world.stop()
  }

  /// One side has nothing more to say, and goes on listening.
  @Test(arguments: [true, false]) func anEndLeavesTheOtherDirection(areUsable: Bool) async throws {
    let world = try await SplicedWorld.start(areUsable: areUsable)
    await world.send([1, 2, 3], [])
    await world.finish(0)
    await world.wait { $0.finished == [false, true] }
    #expect(await world.received == [[], [1, 2, 3]])
    await world.send([], [4, 5])
    await world.wait { $0.received[0].count == 2 }
    #expect(await world.ends.isEmpty)
    await world.finish(1)
    await world.wait { !$0.ends.isEmpty && $0.finished == [true, true] }
    #expect(await world.ends == [nil])
    await world.stop()
  }

  /// Whatever was sent before a clean end arrives, also if the receiver reads only afterwards.
  @Test(arguments: [true, false]) func nothingIsLostAtTheEnd(areUsable: Bool) async throws {
    let world = try await SplicedWorld.start(areUsable: areUsable)
    await world.pause(1)
    let bytes = PatternBytes.make(3 << 20, seed: 3)
    await world.send(bytes, [])
    await world.finish(0)
    await world.finish(1)
    // What the kernel and the splice cannot hold stays with the sender.
    await world.wait { $0.finished[0] }
    await world.resume(1)
    await world.wait { !$0.ends.isEmpty && $0.finished[1] }
    #expect(await world.received[1] == bytes)
    await world.stop()
  }

  /// A receiver that takes nothing holds back the sender: what waits in between is bounded by the kernel's buffers.
  @Test(arguments: [true, false]) func aReceiverThatTakesNothingHoldsBackTheSender(areUsable: Bool) async throws {
    let world = try await SplicedWorld.start(areUsable: areUsable)
    await world.pause(1)
    let count = 64 << 20
    await world.send([UInt8](repeating: 7, count: count), [8])
    // The other direction goes on meanwhile.
    await world.wait { $0.received[0] == [8] && $0.isBlocked }
    #expect(await world.passed[0] < count / 2)
    #expect(await world.pending[0] > count / 2, "the sender has kept what was not taken")
    await world.stop()
  }

  @Test(arguments: [0, 1], [true, false]) func anErrorOfOneEndsBoth(side: Int, isIdle: Bool) async throws {
    let world = try await SplicedWorld.start()
    if !isIdle { await world.send(PatternBytes.make(1 << 20), PatternBytes.make(1 << 20)) }
    await world.abort(side)
    await world.wait { !$0.ends.isEmpty && $0.broken[1 - side] }
    #expect(await world.ends == [.disconnected])
    await world.stop()
  }

  @Test func aClosedSpliceBreaksBoth() async throws {
    let world = try await SplicedWorld.start()
    await world.closeSplice()
    await world.wait { $0.broken == [true, true] }
    #expect(await world.ends.isEmpty, "its user knows")
    await world.stop()
  }

  /// Its user decides when bytes pass, and how many.
  @Test func bytesPassOnlyWhenAllowed() async throws {
    let world = try await SplicedWorld.start(passes: false)
    await world.send(PatternBytes.make(100_000), [])
    await world.wait { $0.ready == [true, false] }
    #expect(await world.received == [[], []])
    #expect(await world.passTwice(0, upTo: 1_000) == [1_000, 0], "once for each report")
    await world.wait { $0.received[1].count == 1_000 }
    #expect(await world.pass(1, upTo: 1_000) == 0)
    await world.stop()
  }

  @Test func aStoppedLoopEndsIt() async throws {
    let world = try await SplicedWorld.start()
    await world.stopLoop()
    #expect(await world.ends == [.disconnected])
  }

  @Test func aReleasedSpliceBreaksBoth() async throws {
    let world = try await SplicedWorld.start()
    await world.releaseSplice()
    await world.wait { $0.broken == [true, true] }
    await world.stop()
  }
}

/// Two connections between the test and a splice, on one loop. The test's ends are sockets that it reads and writes while
/// it waits.
private actor SplicedWorld {
  private struct End {
    let descriptor: Int32
    var pending: ArraySlice<UInt8> = []
    var isFinishing = false
    var isPaused = false
  }

  let loop: EventLoop
  private(set) var received: [[UInt8]] = [[], []]
  /// Whether each end knows that the other sends nothing more.
  private(set) var finished = [false, false]
  /// Whether the connection of each end has broken.
  private(set) var broken = [false, false]
  /// How the splice ended; nil if in order.
  private(set) var ends: [KacheryError.Code?] = []
  private(set) var passed = [0, 0]
  private(set) var ready = [false, false]
  private let passes: Bool
  private var sockets: [End] = []
  private var splice: SocketSplice?

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private init(passes: Bool) throws {
    loop = try EventLoop(name: "splice")
    self.passes = passes
  }

  static func start(areUsable: Bool = true, passes: Bool = true) async throws -> SplicedWorld {
    let world = try SplicedWorld(passes: passes)
    try await world.connect(areUsable: areUsable)
    return world
  }

  private func connect(areUsable: Bool) async throws {
    let listener = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
    let endpoint = try #require(listener.endpoint)
    var accepted: [TCPConnection] = []
    listener.onConnection = { accepted.append($0) }
    for index in 0..<2 {
      let result: Result<Void, KacheryError> = await withCheckedContinuation { continuation in
        _ = TCPConnection.connect(on: loop, to: endpoint, timeout: .seconds(10)) { result in
          if let connection = try? result.get(), let descriptor = connection.descriptor {
            self.sockets.append(End(descriptor: dup(descriptor)))
            connection.close()
          }
          continuation.resume(returning: result.map { _ in })
        }
      }
      try result.get()
      while accepted.count <= index { try await Task.sleep(for: .milliseconds(1)) }
    }
    listener.close()
    let splice = try SocketSplice(accepted[0], accepted[1], through: SplicePipes(areUsable: areUsable))
    self.splice = splice
    splice.onReady = { [weak splice] direction in
      self.ready[direction] = true
      guard self.passes, let splice else { return splice?.watch() ?? () }
      self.passed[direction] += splice.pass(direction, upTo: .max)
    }
    splice.onEnd = { self.ends.append($0?.code) }
  }

  // MARK: The two ends

  func send(_ there: [UInt8], _ back: [UInt8]) {
    sockets[0].pending += there
    sockets[1].pending += back
    pump()
  }

  /// Ends one side's direction once everything has been sent.
  func finish(_ side: Int) { sockets[side].isFinishing = true }

  func pause(_ side: Int) { sockets[side].isPaused = true }
  func resume(_ side: Int) { sockets[side].isPaused = false }
  var pending: [Int] { sockets.map(\.pending.count) }

  /// Breaks the connection of one side.
  func abort(_ side: Int) {
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(sockets[side].descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    close(side)
  }

  private func close(_ side: Int) {
    guard sockets[side].descriptor >= 0 else { return }
    Glibc.close(sockets[side].descriptor)
    sockets[side] = End(descriptor: -1)
  }

  private func pump() {
    for side in 0..<2 where sockets[side].descriptor >= 0 {
      write(side)
      if !sockets[side].isPaused { read(side) }
    }
  }

  private func write(_ side: Int) {
    let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
    while !sockets[side].pending.isEmpty {
      let count = sockets[side].pending.withUnsafeBytes {
        Glibc.send(sockets[side].descriptor, $0.baseAddress, $0.count, flags)
      }
      guard count > 0 else { return }
      sockets[side].pending.removeFirst(count)
    }
    guard sockets[side].isFinishing else { return }
    sockets[side].isFinishing = false
    shutdown(sockets[side].descriptor, Int32(SHUT_WR))
  }

  private func read(_ side: Int) {
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    while !finished[side], !broken[side] {
      let count = recv(sockets[side].descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
      guard count > 0 else {
        if count == 0 { finished[side] = true } else if errno != EAGAIN { broken[side] = true }
        return
      }
      received[side] += bytes[..<count]
    }
  }

  // MARK: The splice

  var isBlocked: Bool { splice?.isBlocked(0) ?? false }
  func pass(_ direction: Int, upTo limit: Int) -> Int { splice?.pass(direction, upTo: limit) ?? 0 }
  func passTwice(_ direction: Int, upTo limit: Int) -> [Int] { (0..<2).map { _ in pass(direction, upTo: limit) } }
  func closeSplice() { splice?.close() }
  func releaseSplice() { splice = nil }

  /// Reads and writes until the condition holds, twenty seconds at most.
  func wait(
    sourceLocation: SourceLocation = #_sourceLocation, for condition: @Sendable (isolated SplicedWorld) -> Bool
  ) async {
    let deadline = loop.now + .seconds(20)
    pump()
    while !condition(self), loop.now < deadline {
      try? await Task.sleep(for: .milliseconds(1))
      pump()
    }
    let isSo = condition(self)
    #expect(
      isSo, "\(ends), \(finished), \(broken), \(passed), \(received.map(\.count)), \(pending)",
      sourceLocation: sourceLocation)
  }

  func stop() async {
    for side in 0..<2 { close(side) }
    splice?.close()
    await stopLoop()
  }

  func stopLoop() async {
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    for side in 0..<2 { close(side) }
  }
}
