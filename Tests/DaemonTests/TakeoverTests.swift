import Testing

@testable import Daemon

/// `Takeover`: when a lane that holds up others loses its requests to them.
@Suite struct TakeoverTests {
  @Test(arguments: [
    // Half a megabyte, for which the slow lane takes over a second longer than the other twice.
    (bytes: 500_000, rate: 200_000.0, other: 2_000_000.0, isDue: true),
    // It will soon be done.
    (500_000, 400_000, 2_000_000, false),
    // The other one is no faster.
    (500_000, 100_000, 150_000, false),
    (500_000, 100_000, 1_000_000, true),
    // It has stopped.
    (2_000, 0, 1_000_000, true),
    // Nothing is missing, or nothing is known of the other one.
    (0, 0, 1_000_000, false),
    (500_000, 0, 0, false),
  ]) func aLaneThatIsMuchSlowerLosesItsRequests(bytes: UInt64, rate: Double, other: Double, isDue: Bool) {
    #expect(Takeover.isDue(bytes, at: rate, other: other) == isDue)
  }
}
