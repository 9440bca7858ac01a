import Primitives
import Testing

@testable import Links

/// Which hosts get small packets only.
@Suite struct NarrowPathsTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  @Test func aHostIsRememberedForAnHour() {
    var paths = NarrowPaths()
    #expect(!paths.contains("192.0.2.1", at: start))
    paths.add("192.0.2.1", at: start)
    #expect(paths.contains("192.0.2.1", at: start + .seconds(3_599)))
    #expect(!paths.contains("192.0.2.1", at: start + .seconds(3_600)))
    #expect(!paths.contains("192.0.2.2", at: start))
    paths.add("192.0.2.1", at: start + .seconds(5_000))
    #expect(paths.contains("192.0.2.1", at: start + .seconds(5_001)))
  }

  @Test(arguments: ["127.0.0.1", "127.1.2.3", "::1"]) func theLoopbackInterfaceIsNeverNarrow(host: String) {
    var paths = NarrowPaths()
    paths.add(host, at: start)
    #expect(!paths.contains(host, at: start))
  }

  @Test func theOldestHostMakesRoom() {
    var paths = NarrowPaths()
    for number in 0...NarrowPaths.limit { paths.add("2001:db8::\(number)", at: start + .seconds(number)) }
    let now = start + .seconds(NarrowPaths.limit)
    #expect((0...NarrowPaths.limit).filter { !paths.contains("2001:db8::\($0)", at: now) } == [0])
  }
}
