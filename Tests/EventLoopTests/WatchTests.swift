import EventLoop
import Glibc
import Primitives
import Testing

@Suite struct WatchTests {
  @Test(.timeLimit(.minutes(1))) func aSignalReachesTheLoop() async throws {
    let loop = try EventLoop(name: "watch")
    let isOnLoop: Bool = await withCheckedContinuation { continuation in
      loop.post {
        var watch: SignalWatch?
        watch = try? loop.onSignal(SIGUSR2) {
          watch?.cancel()
          watch?.cancel()
          watch = nil
          continuation.resume(returning: loop.isOnLoop)
        }
        kill(getpid(), SIGUSR2)
      }
    }
    #expect(isOnLoop)
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  @Test(.timeLimit(.minutes(1))) func aReadableDescriptorIsReported() async throws {
    let loop = try EventLoop(name: "watch")
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    let (reading, writing) = (ends[0], ends[1])
    let byte: UInt8 = await withCheckedContinuation { continuation in
      loop.post {
        var watch: DescriptorWatch?
        watch = try? loop.watch(descriptor: reading) {
          var byte: UInt8 = 0
          read(reading, &byte, 1)
          watch?.cancel()
          watch = nil
          continuation.resume(returning: byte)
        }
        write(writing, [UInt8(42)], 1)
      }
    }
    #expect(byte == 42)
    await loop.shutdown()
    close(reading)
    close(writing)
    #expect(loop.openHandles == 0)
  }

  @Test func anInvalidDescriptorIsAnError() async throws {
    let loop = try EventLoop(name: "watch")
    await #expect(throws: KacheryError.self) {
      _ = try await loop.run { _ = try loop.watch(descriptor: 1_000_000) {} }
    }
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }

  /// If the loop did not ignore the signal, it would end the process.
  @Test func aBrokenPipeIsAnErrorAndNotTheEnd() async throws {
    let loop = try EventLoop(name: "watch")
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    close(ends[0])
    #expect(write(ends[1], [UInt8(1)], 1) == -1)
    close(ends[1])
    await loop.shutdown()
  }
}
