import Discovery
import Links
import NodeCore
import Primitives
import Testing

@testable import Daemon

/// `ServedTransfers`: a transfer over many lanes takes one place.
@Suite struct ServedTransfersTests {
  private final class Stream: ServedStream {
    let link: LinkID
    let lane: LaneID
    let heldBytes = 0
    let origin: PeerOrigin

    init(_ link: UInt64, _ lane: UInt64, _ origin: PeerOrigin = .unknown) {
      self.origin = origin
      self.link = LinkID(number: link)
      self.lane = LaneID(number: lane)
    }

    func close() {}
    func endIfStalled(at now: Instant) {}
  }

  /// Identities cost nothing, so an address counts and not the nodes behind it.
  @Test func transfersOfOneAddressCountTogether() {
    let (home, other) = (PeerOrigin.endSite([192, 0, 2, 1]), PeerOrigin.endSite([192, 0, 2, 2]))
    let transfers = ServedTransfers([Stream(1, 0, home), Stream(2, 0, home), Stream(2, 0, home), Stream(3, 0, other)])
    #expect(transfers.count(from: home) == 3)
    #expect(transfers.count(from: other) == 1)
    #expect(transfers.count == 4)
  }

  private func transfers(_ streams: [(UInt64, UInt64)]) -> ServedTransfers {
    ServedTransfers(streams.map { Stream($0.0, $0.1) })
  }

  @Test func aTransferOverManyLanesCountsOnce() {
    let served = transfers([(1, 0), (1, 1), (1, 2), (1, 3)])
    #expect(served.count == 1 && served.count(over: LinkID(number: 1)) == 1)
    #expect(served.includesNext(over: LinkID(number: 1), LaneID(number: 4)))
    #expect(!served.includesNext(over: LinkID(number: 1), LaneID(number: 3)), "that is a second transfer")
  }

  @Test func streamsOnOneLaneAndPeersCountEach() {
    let served = transfers([(1, 0), (1, 0), (1, 1), (2, 0), (3, 5)])
    #expect(served.count == 4)
    #expect(served.count(over: LinkID(number: 1)) == 2)
    #expect(!served.includesNext(over: LinkID(number: 2), .link))
    #expect(!served.includesNext(over: LinkID(number: 9), .link))
    #expect(transfers([]).count == 0)
  }
}
