import Primitives
import Testing

@testable import Discovery

@Suite struct LocalNeighborsTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  @Test func hostsCountUntilTheyHaveBeenSilentForAWhile() {
    var neighbors = LocalNeighbors()
    neighbors.record("10.0.0.1", at: start)
    neighbors.record("10.0.0.1", at: start + .seconds(1))
    neighbors.record("10.0.0.2", at: start + .seconds(60))
    #expect([1, 60, 121, 180].map { neighbors.count(at: start + .seconds($0)) } == [2, 2, 1, 0])
  }

  /// Copies of one member's announcement, from many addresses, fill no memory.
  @Test func theirNumberIsBounded() {
    var neighbors = LocalNeighbors()
    for number in 0..<1_000 { neighbors.record("10.0.\(number / 250).\(number % 250)", at: start) }
    #expect(neighbors.count(at: start) == LocalNeighbors.capacity)
    neighbors.record("10.1.0.0", at: start + .seconds(200))
    #expect(neighbors.count(at: start + .seconds(200)) == 1)
  }
}
