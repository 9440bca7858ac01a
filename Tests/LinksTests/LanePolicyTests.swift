import Primitives
import TestSupport
import Testing

@testable import Links

/// `LanePolicy`: how many lanes paths of different kinds get.
@Suite struct LanePolicyTests {
  /// A path with a limit for each lane, and the line's limit for all of them together.
  private struct Path {
    var roundTripTime: Duration
    /// Bytes per second of one lane, and of the line.
    var lane: Double
    var line: Double
    var bytes: UInt64
    /// How fast the receiver writes.
    var disk = Double.infinity
    var openingTime: Duration = .milliseconds(150)
    /// The largest relative variation of a rate.
    var noise = 0.0
  }

  /// The course of a transfer: the number of lanes every 100 ms, and the duration.
  private struct Course {
    var lanes: [Int] = []
    var seconds = 0.0
    var opened = 0
  }

  private func run(
    _ path: Path, seed: UInt64 = 1, for limit: Double = 120, isFirstCheap: Bool = false
  ) -> Course {
    var policy = LanePolicy(isFirstCheap: isFirstCheap)
    var course = Course()
    var random = SeededRandom(seed: seed)
    var (arrived, lanes, opening) = (0.0, 0, [Double]())
    let tick = 0.1
    while arrived < Double(path.bytes), course.seconds < limit {
      let now = Instant(nanoseconds: UInt64(course.seconds * 1e9) + 1)
      lanes += opening.count { $0 <= course.seconds }
      opening.removeAll { $0 <= course.seconds }
      let step = policy.next(
        LanePolicy.Observation(
          now: now, roundTripTime: path.roundTripTime, bytesLeft: path.bytes - UInt64(arrived),
          bytesArrived: UInt64(arrived), lanes: lanes, opening: opening.count))
      switch step {
      case .none: break
      case .open(let count):
        course.opened += count
        opening += Array(repeating: course.seconds + path.openingTime.inSeconds, count: count)
      case .close(let count): lanes -= count
      }
      let vary = 1 + path.noise * (Double(random.number(0...2_000)) / 1_000 - 1)
      arrived += min(path.line, path.lane * Double(max(1, lanes)), path.disk) * vary * tick
      course.lanes.append(lanes)
      course.seconds += tick
      #expect(lanes >= 0 && lanes + opening.count <= LanePolicy.most)
    }
    return course
  }

  /// Lanes open while the transfer prepares, and nothing is measured before its first bytes arrive.
  @Test func lanesOfAnAnnouncedTransferWaitForItsBytes() {
    var policy = LanePolicy()
    var seen = LanePolicy.Observation(
      now: Instant(nanoseconds: 1), roundTripTime: .milliseconds(50), bytesLeft: 1 << 30, bytesArrived: 7, lanes: 0,
      opening: 0)
    guard case .open(let count) = policy.next(seen) else { return #expect(Bool(false), "no lanes open") }
    seen.lanes = count
    for _ in 0..<30 {
      seen.now = seen.now + .milliseconds(100)
      #expect(policy.next(seen) == .none)
    }
    // The first lanes raise the rate from nothing: twice as many are tried only after that rate was measured.
    for _ in 0..<30 {
      seen.now = seen.now + .milliseconds(100)
      seen.bytesArrived += 5 << 20
      let step = policy.next(seen)
      #expect(step == .none || step == .close(count / 2))
      if step != .none { break }
    }
  }

  @Test func aShortPathHasNone() {
    let course = run(Path(roundTripTime: .microseconds(200), lane: 1e9, line: 1e9, bytes: 20 << 30))
    #expect(course.opened == 0)
  }

  /// The first lane of a relayed link is better than the link itself, however short the path is.
  @Test(arguments: [200, 50_000]) func aCheapLaneOpensOnAnyPath(microseconds: Int) {
    let path = Path(roundTripTime: .microseconds(microseconds), lane: 1e7, line: 1e7, bytes: 10 << 20)
    let course = run(path, isFirstCheap: true)
    #expect(course.opened == 1 && course.lanes.max() == 1)
    let little = Path(roundTripTime: path.roundTripTime, lane: 1e7, line: 1e7, bytes: 1 << 20)
    #expect(run(little, isFirstCheap: true).opened == 0)
  }

  @Test func furtherCheapLanesFollowTheRule() {
    let path = Path(roundTripTime: .milliseconds(50), lane: 28e6, line: 112e6, bytes: 4 << 30)
    let (course, other) = (run(path, isFirstCheap: true), run(path))
    #expect(course.lanes == other.lanes)
  }

  @Test func littleDataHasNone() {
    let course = run(Path(roundTripTime: .milliseconds(50), lane: 1e6, line: 1e8, bytes: 10 << 20))
    #expect(course.opened == 0)
  }

  /// One connection carries a quarter of the line: four lanes fill it, and further ones are closed.
  @Test func lanesAreAddedUntilTheLineIsFull() {
    let course = run(Path(roundTripTime: .milliseconds(50), lane: 28e6, line: 112e6, bytes: 10 << 30))
    #expect(course.lanes.last.map { (4...8).contains($0) } == true, "\(course.lanes)")
    let ideal = Double(10 << 30) / 112e6
    #expect(course.seconds < 1.1 * ideal, "\(course.seconds) s of \(ideal)")
  }

  /// Each lane adds the same small rate: the maximum number is used.
  @Test func aLossyLineGetsAllLanes() {
    let course = run(Path(roundTripTime: .milliseconds(50), lane: 1.2e6, line: 125e6, bytes: 1 << 30))
    #expect(course.lanes.max() == LanePolicy.most)
  }

  /// If the limit is elsewhere, lanes do not help and are closed.
  @Test(arguments: [0.0, 0.04]) func aSlowDiskGetsFew(noise: Double) {
    let path = Path(
      roundTripTime: .milliseconds(30), lane: 50e6, line: 125e6, bytes: 4 << 30, disk: 20e6, noise: noise)
    for seed in UInt64(1)...20 {
      let course = run(path, seed: seed)
      let many = course.lanes.count { $0 > 4 }
      #expect(many < course.lanes.count / 10, "seed \(seed): \(course.lanes)")
    }
  }

  /// Lanes do not open and close all the time.
  @Test(arguments: 0..<20) func theNumberSettles(seed: UInt64) {
    let path = Path(roundTripTime: .milliseconds(60), lane: 20e6, line: 60e6, bytes: 6 << 30, noise: 0.1)
    let course = run(path, seed: seed)
    let changes = zip(course.lanes, course.lanes.dropFirst()).count { $0 != $1 }
    #expect(changes < 20, "\(changes) changes in \(course.seconds) s")
  }

  /// Lanes that the peer does not open do not prevent measuring the others.
  /// Each half of the lanes carries 8 % less: what one reduction after the other loses is compared with the best rate.
  @Test func smallLossesDoNotAddUp() {
    var policy = LanePolicy()
    var (arrived, lanes) = (0.0, 0)
    for tick in 0..<1_200 {
      let step = policy.next(
        LanePolicy.Observation(
          now: Instant(nanoseconds: UInt64(tick) * 100_000_000 + 1), roundTripTime: .milliseconds(200),
          bytesLeft: 1 << 40, bytesArrived: UInt64(arrived), lanes: lanes, opening: 0))
      switch step {
      case .none: break
      case .open(let count): lanes += count
      case .close(let count): lanes -= count
      }
      if tick > 100 { #expect(lanes >= 2, "at \(tick / 10) s") }
      let halvings: Double = lanes >= 8 ? 0 : lanes >= 4 ? 1 : lanes >= 2 ? 2 : 3
      arrived += 1_000_000 * (1 - 0.08 * halvings)
    }
    #expect(lanes >= 4)
  }

  @Test func lanesThatDoNotOpenAreNotWaitedFor() {
    let path = Path(
      roundTripTime: .milliseconds(50), lane: 28e6, line: 112e6, bytes: 10 << 30, openingTime: .seconds(1_000))
    let course = run(path, for: 60)
    #expect(course.opened <= LanePolicy.most)
  }
}
