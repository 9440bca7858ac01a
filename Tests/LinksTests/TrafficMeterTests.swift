import Primitives
import Testing

@testable import Links

@Suite struct TrafficMeterTests {
  private let start = Instant(nanoseconds: 5_000_000_000)

  @Test func aSteadyStreamShowsItsRate() {
    var meter = TrafficMeter(at: start)
    for tenth in 0..<100 { meter.add(1_000, at: start + .milliseconds(100 * tenth)) }
    #expect(meter.total == 100_000)
    let rate = meter.rate(at: start + .seconds(10))
    #expect(rate > 9_000 && rate < 11_000, "\(rate)")
  }

  @Test func theRateFadesAndTheTotalStays() {
    var meter = TrafficMeter(at: start)
    meter.add(4_000_000, at: start + .seconds(1))
    let rates = [1, 2, 3, 4, 60].map { meter.rate(at: start + .seconds($0)) }
    #expect(rates == [2_000_000, 2_000_000, 1_000_000, 0, 0])
    meter.add(1, at: start + .seconds(100))
    #expect(meter.rate(at: start + .seconds(100)) == 0.5)
    #expect(meter.total == 4_000_001)
  }

  @Test func trafficAddsUp() {
    let link = LinkTraffic(received: 1, sent: 2, receivingRate: 3, sendingRate: 4)
    let lane = LinkTraffic(received: 10, sent: 20, receivingRate: 30, sendingRate: 40)
    #expect(link + lane == LinkTraffic(received: 11, sent: 22, receivingRate: 33, sendingRate: 44))
    #expect(link + lane.ended == LinkTraffic(received: 11, sent: 22, receivingRate: 3, sendingRate: 4))
  }
}
