import Testing

@testable import Daemon

/// How far ahead of the writes nodes may send.
@Suite struct FetchWindowTests {
  @Test func oneSourceHasALargeWindow() {
    #expect(FetchWindow.next(beside: [], rate: nil) == 16 << 20)
  }

  @Test func manySourcesShareTheMemory() {
    var windows: [Int] = []
    for _ in 0..<20 { windows.append(FetchWindow.next(beside: windows, rate: nil)) }
    #expect(windows.prefix(4).allSatisfy { $0 == FetchWindow.most })
    #expect(windows.dropFirst(4).allSatisfy { $0 == FetchWindow.least })
    windows.removeFirst(18)
    #expect(FetchWindow.next(beside: windows, rate: nil) == FetchWindow.most)
  }

  @Test func aLimitOnTheRateHoldsTheFirstBytesBackToo() {
    #expect(FetchWindow.next(beside: [], rate: 2_000_000) == 2_000_000)
    #expect(FetchWindow.next(beside: [], rate: 1e12) == FetchWindow.most)
    #expect(FetchWindow.next(beside: [], rate: 10) == 256 << 10, "no stream begins with less")
    #expect(FetchWindow.kept(1 << 20, to: nil) == 1 << 20)
  }
}
