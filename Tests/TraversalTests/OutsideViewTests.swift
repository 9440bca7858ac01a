import Primitives
import TestSupport
import Testing
import Traversal
import Wire

/// What follows from where bootstrap nodes see a node.
@Suite struct OutsideViewTests {
  private static let port: UInt16 = 15_351

  private func view(_ endpoints: [String]) throws -> OutsideView {
    var view = OutsideView()
    for (number, text) in endpoints.enumerated() {
      let endpoint = try #require(Endpoint(text))
      _ = view.record(endpoint, by: .filled(with: UInt8(number + 1)))
    }
    return view
  }

  @Test(arguments: [
    ([], MappingKind.unknown), (["203.0.113.1:15351"], .unknown),
    (["203.0.113.1:15351", "203.0.113.1:15351"], .kept), (["203.0.113.1:4000", "203.0.113.1:4000"], .same),
    (["203.0.113.1:4000", "203.0.113.1:4001"], .sequence), (["203.0.113.1:4016", "203.0.113.1:4000"], .sequence),
    (["203.0.113.1:4000", "203.0.113.1:4017"], .random), (["203.0.113.1:65535", "203.0.113.1:1"], .random),
    // Two observers that name two hosts say nothing about ports.
    (["203.0.113.1:15351", "203.0.113.2:15351"], .unknown),
    (["203.0.113.2:9", "203.0.113.1:15351", "203.0.113.1:15351"], .kept),
    (["[2001:db8::1]:15351", "203.0.113.1:15351"], .unknown),
  ])
  func theKindFollowsFromTwoObservers(endpoints: [String], kind: MappingKind) throws {
    #expect(try view(endpoints).mapping(of: Self.port) == kind)
  }

  @Test func theNewestComesFirstAndOnlyOnce() throws {
    var view = try view(["203.0.113.1:1", "203.0.113.2:1", "203.0.113.1:1"])
    #expect(view.endpoints.map(\.description) == ["203.0.113.1:1", "203.0.113.2:1"])
    let moved = try #require(Endpoint("203.0.113.9:1"))
    let (first, again) = (view.record(moved, by: .filled(with: 1)), view.record(moved, by: .filled(with: 1)))
    #expect(first && !again)
    #expect(view.endpoints.map(\.host) == ["203.0.113.9", "203.0.113.1", "203.0.113.2"])
    let (forgotten, twice) = (view.forget(.filled(with: 1)), view.forget(.filled(with: 1)))
    #expect(forgotten && !twice)
    #expect(view.endpoints.map(\.host) == ["203.0.113.1", "203.0.113.2"])
  }

  /// Observers may say anything.
  @Test(arguments: [
    "127.0.0.1:1", "0.0.0.0:1", "224.0.0.1:1", "169.254.1.1:1", "[::1]:1", "[fe80::1]:1", "a.example:1",
  ])
  func whatLeadsNowhereIsIgnored(text: String) throws {
    #expect(try view([text]) == OutsideView())
  }

  @Test func onlySomeObserversAreRemembered() throws {
    let view = try view((1...50).map { "203.0.113.\($0):1" })
    #expect(view.endpoints.count == OutsideView.maximumObservers)
    #expect(view.endpoints.first?.host == "203.0.113.50")
  }

  @Test func theOwnSideNamesAllWays() throws {
    let network = try #require(IPAddress("10.1.2.3").flatMap { IPNetwork(of: $0, length: 24) })
    let own = OwnSide(
      outside: try view(["203.0.113.1:4000", "203.0.113.1:4000"]), port: Self.port,
      interfaces: ["10.1.2.3", "2001:db8::5", "198.51.100.7", "127.0.0.1"], networks: [network])
    #expect(own.mapping == .same)
    #expect(
      own.candidates.map { "\($0.kind) \($0.address):\($0.port)" } == [
        "local 10.1.2.3:15351", "ipv6 2001:db8::5:15351", "seen 203.0.113.1:4000", "ownPort 203.0.113.1:15351",
      ])
    #expect(
      OwnSide(outside: try view(["203.0.113.1:4000"]), port: nil, interfaces: ["10.1.2.3"], networks: []).candidates
        == [])
  }
}
