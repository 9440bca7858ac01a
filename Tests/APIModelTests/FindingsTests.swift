import APIModel
import Primitives
import TestSupport
import Testing

/// What the facts of a checkup mean.
@Suite struct FindingsTests {
  private static let node = NodeID.filled(with: 0xab)

  /// A node that is well: linked, a member of a channel with another member, and with room on its disk.
  private static var well: Checkup {
    var checkup = Checkup()
    checkup.daemon = Checkup.DaemonState(
      node: node, label: "lab", version: "1", isBootstrap: false, ports: [15_000], links: 2)
    checkup.outside = Checkup.Outside(port: 15_000, hosts: ["192.168.1.10"], views: [])
    checkup.bootstraps = [bootstrap("hub:14507")]
    checkup.multicast = Checkup.Multicast(isOn: true, interfaces: 1)
    checkup.mapping = Checkup.RouterMapping(.unneeded)
    checkup.channels = [Checkup.JoinedChannelState(address: "lab-x", membership: .byName, direct: 1)]
    checkup.clock = Checkup.Clock(nodes: 2, difference: 1)
    checkup.disk = Checkup.Disk(directory: "/data", available: 1 << 40)
    return checkup
  }

  private static func bootstrap(_ address: String, problem: String? = nil, isThroughProxy: Bool = false)
    -> Checkup.Bootstrap
  {
    var bootstrap = Checkup.Bootstrap(address: address)
    bootstrap.attempts = [
      Checkup.Attempt(.tcp, address, isThroughProxy: isThroughProxy, roundTrip: .milliseconds(3), problem: problem)
    ]
    return bootstrap
  }

  private struct Case: Sendable {
    let name: String
    let change: @Sendable (inout Checkup) -> Void
    let expected: [String]
    var remedy = ""
  }

  private static let cases: [Case] = [
    Case(name: "well", change: { _ in }, expected: []),
    Case(
      name: "no daemon",
      change: {
        $0 = Checkup()
        $0.disk = Checkup.Disk(directory: "/data", available: 1 << 40)
      }, expected: ["problem no_daemon"], remedy: "kachery-p2p-start-daemon"),
    Case(
      name: "read-only disk", change: { $0.disk?.problem = "The file system is read-only." },
      expected: ["problem storage_failed"]),
    Case(name: "full disk", change: { $0.disk?.available = 1_000 }, expected: ["problem disk_full"], remedy: "gc"),
    Case(name: "nearly full disk", change: { $0.disk?.available = 500_000_000 }, expected: ["advice disk_full"]),
    Case(
      name: "unusable proxy",
      change: { $0.proxy = Checkup.Proxy(address: "", source: "https_proxy", problem: "It is a SOCKS proxy.") },
      expected: ["problem proxy_unusable"], remedy: "--proxy none"),
    Case(
      name: "one of two bootstrap nodes is dead",
      change: { $0.bootstraps.append(bootstrap("old:14507", problem: "Connection refused.")) },
      expected: ["advice bootstrap_unreachable"]),
    Case(
      name: "no bootstrap node answers, and no node is linked",
      change: {
        $0.daemon?.links = 0
        $0.channels[0].direct = 0
        $0.bootstraps = [bootstrap("hub:14507", problem: "Connection refused.")]
      }, expected: ["problem bootstraps_unreachable"], remedy: "--isbootstrap"),
    Case(
      name: "a firewall drops what goes to it",
      change: {
        $0.daemon?.links = 0
        $0.channels[0].direct = 0
        $0.bootstraps = [bootstrap("hub:14507", problem: "It did not answer in time (5 s).")]
      }, expected: ["problem bootstraps_unreachable"], remedy: "--also-listen 443"),
    Case(
      name: "a proxy does not let it through",
      change: {
        $0.daemon?.links = 0
        $0.channels[0].direct = 0
        let problem = "The proxy http://p:1 does not allow connections to hub:14507 (403)."
        $0.bootstraps = [bootstrap("hub:14507", problem: problem, isThroughProxy: true)]
      }, expected: ["problem bootstraps_unreachable"], remedy: "Most proxies"),
    Case(
      name: "the proxy is gone",
      change: {
        $0.daemon?.links = 0
        $0.channels[0].direct = 0
        $0.proxy = Checkup.Proxy(address: "http://p:1", source: "https_proxy")
        let problem = "The proxy http://p:1 accepts no connections."
        $0.bootstraps = [bootstrap("hub:14507", problem: problem, isThroughProxy: true)]
      }, expected: ["problem bootstraps_unreachable"], remedy: "that https_proxy names"),
    Case(
      name: "the local network suffices",
      change: { $0.bootstraps = [bootstrap("hub:14507", problem: "Connection refused.")] },
      expected: ["advice bootstraps_unreachable"]),
    Case(name: "no bootstrap node", change: { $0.bootstraps = [] }, expected: ["advice no_bootstrap"]),
    Case(
      name: "no way to meet other nodes",
      change: {
        $0.bootstraps = []
        $0.daemon?.links = 0
        $0.channels[0].direct = 0
        $0.multicast = Checkup.Multicast(isOn: false, reason: "--nomulticast")
      }, expected: ["problem no_bootstrap", "advice no_member_online"]),
    Case(name: "no channel", change: { $0.channels = [] }, expected: ["problem no_channel"], remedy: "join-channel"),
    Case(
      name: "a bootstrap node needs neither",
      change: {
        $0.daemon?.isBootstrap = true
        ($0.channels, $0.bootstraps) = ([], [])
      }, expected: []),
    Case(
      name: "an unread document", change: { $0.channels[0].membership = .unread },
      expected: ["problem channel_unreadable"]),
    Case(
      name: "not listed", change: { $0.channels[0].membership = .notListed }, expected: ["problem not_authorized"],
      remedy: node.hex),
    Case(name: "nobody there", change: { $0.channels[0].direct = 0 }, expected: ["advice no_member_online"]),
    Case(
      name: "only relayed",
      change: { ($0.channels[0].direct, $0.channels[0].relayed) = (0, 2) }, expected: ["advice members_relayed"],
      remedy: "15000"),
    Case(
      name: "being dialed",
      change: { ($0.channels[0].direct, $0.channels[0].unlinked) = (0, 1) }, expected: ["advice members_unreachable"]),
    Case(
      name: "out of reach",
      change: {
        ($0.channels[0].direct, $0.channels[0].unlinked) = (0, 1)
        $0.channels[0].problem = "10.0.0.1:1: No route."
      }, expected: ["problem members_unreachable"], remedy: "relays"),
    Case(
      name: "one of two out of reach",
      change: {
        $0.channels[0].unlinked = 1
        $0.channels[0].problem = "10.0.0.1:1: No route."
      }, expected: ["advice members_unreachable"]),
    Case(
      name: "a wrong clock",
      change: { $0.clock = Checkup.Clock(nodes: 2, difference: 900, error: -900, isRejected: true) },
      expected: ["problem clock_skew"], remedy: "NTP"),
    Case(
      name: "one of two clocks", change: { $0.clock = Checkup.Clock(nodes: 1, difference: 900, isRejected: true) },
      expected: ["advice clock_skew"]),
    Case(
      name: "a port for each destination",
      change: { $0.outside?.views = views([1, 2]) }, expected: ["advice port_per_destination"], remedy: "15000"),
    Case(
      name: "relayed, while the router could lead a port here",
      change: {
        ($0.channels[0].direct, $0.channels[0].relayed) = (0, 2)
        $0.mapping = Checkup.RouterMapping(.failed, problems: ["NAT-PMP: no answer", "UPnP: no answer"])
      }, expected: ["advice members_relayed"], remedy: "turn on UPnP"),
    Case(
      name: "a port for each destination, and one that the router leads here",
      change: {
        $0.outside?.views = views([1, 2])
        $0.mapping = Checkup.RouterMapping(
          .mapped, method: .upnp, endpoint: Endpoint(host: "203.0.113.7", port: 15_000))
      }, expected: []),
    Case(
      name: "the same, forwarded",
      change: {
        $0.outside?.views = views([1, 2])
        $0.outside?.wasDialedFromOutside = true
      }, expected: []),
    Case(name: "a gateway", change: { $0.gateway = gateway("127.0.0.1:8080", ("lab-x", true)) }, expected: []),
    Case(
      name: "a gateway without a channel", change: { $0.gateway = gateway("0.0.0.0:8080") },
      expected: ["advice gateway_without_channel"], remedy: "gatewayChannel"),
    Case(
      name: "a gateway at every address, for one channel that this node is in and one that it is not in",
      change: { $0.gateway = gateway("0.0.0.0:8080", ("lab-x", true), ("lab-y", false)) },
      expected: ["advice gateway_channel_not_served", "advice gateway_everywhere"], remedy: "gatewayChannel"),
  ]

  private static func gateway(_ address: String, _ channels: (name: String, isServed: Bool)...) -> GatewayState? {
    Endpoint(address).map { endpoint in
      GatewayState(endpoint: endpoint, channels: channels.map { .init(name: $0.name, isServed: $0.isServed) })
    }
  }

  @Test func aGatewaySaysWhatItServes() throws {
    let address = "10.0.0.1:80"
    let gateways = [
      Self.gateway(address), Self.gateway(address, ("a", false)), Self.gateway(address, ("a", false), ("b", false)),
      Self.gateway(address, ("a", true)), Self.gateway(address, ("a", true), ("b", false)),
    ]
    #expect(
      gateways.map { $0?.text } == [
        "http://10.0.0.1:80, serves nothing: no channel is named for it",
        "http://10.0.0.1:80, serves nothing: this node is not in its channel",
        "http://10.0.0.1:80, serves nothing: this node is in none of its 2 channels",
        "http://10.0.0.1:80, serves files of 1 channel", "http://10.0.0.1:80, serves files of 1 of 2 channels",
      ])
    let state = try #require(Self.gateway(address, ("lab-ä", true), ("b", false)))
    #expect(state.channelLines == ["lab-ä  [lab-%C3%A4]", "b: this node is not a member"])
    // The names of channels are secrets.
    #expect(state.withoutNames.channelLines == [] && state.withoutNames.text == state.text)
    #expect(try GatewayState(fieldOf: ["gateway": state.withoutNames.json]) == state.withoutNames)
    #expect(try GatewayState(fieldOf: ["gateway": .null]) == nil && GatewayState(fieldOf: [:]) == nil)
  }

  private static func views(_ ports: [UInt16], host: String = "203.0.113.7") -> [Checkup.Outside.View] {
    ports.enumerated().compactMap { index, port in
      Endpoint(host: host, port: port).map {
        Checkup.Outside.View(observer: NodeID.filled(with: UInt8(index)), label: "hub", endpoint: $0)
      }
    }
  }

  @Test(arguments: cases.indices) func factsLeadToFindings(_ index: Int) throws {
    let row = Self.cases[index]
    var checkup = Self.well
    row.change(&checkup)
    let findings = checkup.findings
    #expect(findings.map { "\($0.severity) \($0.code.rawValue)" } == row.expected, "\(row.name): \(findings)")
    #expect(row.remedy.isEmpty || findings[0].remedy.contains(row.remedy), "\(row.name): \(findings)")
    for finding in findings {
      // One sentence each.
      #expect(finding.summary.hasSuffix(".") && finding.remedy.hasSuffix("."), "\(finding)")
    }
    // The answer to a client has the same facts, and says whether all is well.
    let json = try JSONParser.parse(checkup.json.compactBytes)
    #expect(try Checkup(json: json) == checkup, "\(row.name)")
    #expect(json["isWell"]?.bool == !findings.contains { $0.severity == .problem })
    #expect(json["findings"]?.array?.count == findings.count)
  }

  @Test func everyFindingOccurs() {
    let found = Self.cases.flatMap { row -> [Finding.Code] in
      var checkup = Self.well
      row.change(&checkup)
      return checkup.findings.map(\.code)
    }
    #expect(Set(found) == Set(Finding.Code.allCases))
  }

  // MARK: Routers

  @Test(arguments: [
    ([], TranslationKind.unknown), ([15_000], .portKeptForOne), ([4_000], .portChangedForOne),
    ([15_000, 15_000], .portKept),
    ([4_000, 4_000], .independent), ([15_000, 4_000], .perDestination), ([4_000, 4_001, 4_000], .perDestination),
  ])
  func portsShowTheKindOfRouter(_ ports: [UInt16], _ kind: TranslationKind) {
    let outside = Checkup.Outside(port: 15_000, hosts: ["192.168.1.10"], views: Self.views(ports))
    #expect(outside.nat == kind)
    #expect(!kind.text.isEmpty)
  }

  @Test(arguments: [
    ([], false, TranslationKind?.none), ([4_000], false, .portChangedForOne), ([15_001, 15_001], false, .portKept),
    ([4_000, 4_001], false, .perDestination), ([], true, nil),
  ])
  func whatIsKnownAboutUDPIsPassedOn(_ ports: [UInt16], isBlocked: Bool, _ kind: TranslationKind?) throws {
    var checkup = Self.well
    checkup.outside?.datagrams = Checkup.Outside.Datagrams(
      port: 15_001, isBlocked: isBlocked, views: Self.views(ports))
    #expect(checkup.outside?.udpNAT == kind)
    #expect(try Checkup(json: try JSONParser.parse(checkup.json.compactBytes)) == checkup)
  }

  @Test(arguments: Checkup.RouterMapping.State.allCases)
  func everyStateOfTheMappingIsToldAndPassedOn(_ state: Checkup.RouterMapping.State) throws {
    var checkup = Self.well
    let mapping = Checkup.RouterMapping(
      state, reason: "--noudp", method: .natPMP, endpoint: Endpoint(host: "203.0.113.7", port: 15_000),
      problems: ["UPnP: no answer"])
    checkup.mapping = mapping
    #expect(try Checkup(json: try JSONParser.parse(checkup.json.compactBytes)) == checkup)
    #expect((mapping.text == nil) == (state == .unneeded))
    #expect((mapping.remedy != nil) == (state == .failed || state == .hidden))
    switch state {
    case .mapped: #expect(mapping.text?.contains("203.0.113.7:15000") == true)
    case .failed: #expect(mapping.text?.contains("UPnP: no answer") == true)
    case .off: #expect(mapping.text?.contains("--noudp") == true)
    case .unneeded, .withoutRouter, .asking, .hidden: break
    }
  }

  @Test func anAddressOfTheMachineIsNotTranslated() {
    let hosts = ["192.168.1.10", "203.0.113.7"]
    #expect(Checkup.Outside(port: 15_000, hosts: hosts, views: Self.views([15_000])).nat == .none)
    // What a bootstrap node in the same network sees says nothing about the router.
    let near = Self.views([15_000], host: "192.168.1.10")
    #expect(Checkup.Outside(port: 15_000, hosts: hosts, views: near).nat == .unknown)
    let both = Self.views([15_000], host: "2001:4860::7") + Self.views([4_000])
    #expect(Checkup.Outside(port: 15_000, hosts: ["2001:4860::7"], views: both).nat == .portChangedForOne)
  }

  @Test(arguments: [
    "[]", #"{"daemon": 7}"#, #"{"bootstraps": {}}"#,
    #"{"outside": {"port": 1, "hosts": [], "views": [{"address": "x"}]}}"#,
    #"{"clock": {"nodes": -1}}"#, #"{"gateway": []}"#, #"{"gateway": {"address": "x", "channels": []}}"#,
    #"{"gateway": {"address": "a:1", "channels": {}}}"#, #"{"gateway": {"address": "a:1", "channels": [7]}}"#,
  ])
  func anAnswerOfAnotherFormIsRefused(_ text: String) throws {
    let json = try JSONParser.parse(Array(text.utf8))
    #expect(throws: KacheryError.self) { try Checkup(json: json) }
  }
}
