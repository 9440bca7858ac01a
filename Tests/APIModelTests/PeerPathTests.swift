import APIModel
import Primitives
import TestSupport
import Testing

@Suite struct PeerPathTests {
  private static let node = NodeID.filled(with: 0xab)

  @Test func aPathIsReadAsItWasWritten() throws {
    var path = PeerPath(
      kind: "relayed", address: "relay://x", relay: PeerPath.Relay(node: Self.node, label: "hub"), dialedBy: "both",
      isInUse: true, reason: "the only one")
    path.roundTrip = .microseconds(1_234)
    (path.bytesReceived, path.bytesSent, path.receivingRate, path.sendingRate) = (1 << 40, 7, 3, 0)
    (path.age, path.lanes) = (90, 4)
    #expect(try PeerPath(json: try JSONParser.parse(path.json.compactBytes)) == path)
    let bare = PeerPath(kind: "direct", address: "10.0.0.1:1", dialedBy: "thisNode", isInUse: false, reason: "slow")
    #expect(try PeerPath(json: bare.json) == bare)
    #expect(throws: KacheryError.self) { try PeerPath(json: ["kind": "direct"]) }
    #expect(throws: KacheryError.self) { try PeerPath(json: []) }
  }

  @Test func itsPlaceIsNamedInWords() {
    var path = PeerPath(kind: "lan", address: "10.0.0.1:1", dialedBy: "otherNode", isInUse: true, reason: "")
    #expect(path.place == "in the local network to 10.0.0.1:1")
    for (kind, place) in [("direct", "direct"), ("punched", "direct"), ("webSocket", "by WebSocket")] {
      path.kind = kind
      #expect(path.place == "\(place) to 10.0.0.1:1")
    }
    #expect(path.dialedByText == "dialed by the other node")
    path.relay = PeerPath.Relay(node: Self.node, label: "hub")
    #expect(path.place == "relayed through hub")
    path.relay?.label = ""
    #expect(path.place == "relayed through node \(Self.node.short)")
  }
}

@Suite struct QuantityTests {
  @Test func bytesHaveThreeDigits() {
    let texts = [0, 999, 1_234, 12_345, 999_499, 999_500, 1.5e15].map { Quantity.bytes($0) }
    #expect(texts == ["0 B", "999 B", "1.23 kB", "12.3 kB", "999 kB", "1.0 MB", "1.5 PB"])
  }

  @Test func countsAreInGroupsOfThreeDigits() {
    let counts = [0, 999, 1_000, -12_345, 1_234_567, Int.min].map { Quantity.count($0) }
    #expect(counts == ["0", "999", "1,000", "-12,345", "1,234,567", "-9,223,372,036,854,775,808"])
  }

  @Test func timesHaveAUnitThatFits() {
    #expect(Quantity.time(.microseconds(123)) == "0.12 ms")
    #expect(Quantity.time(.milliseconds(250)) == "250 ms")
    #expect(Quantity.time(.milliseconds(2_500)) == "2.5 s")
    #expect(Quantity.time(.milliseconds(-1)) == "0.0 ms")
    let ages = [0, 59, 90, 5_400, 90_000].map { Quantity.age($0) }
    #expect(ages == ["0 s", "59 s", "1 min", "1 h 30 min", "1 d 1 h"])
  }
}
