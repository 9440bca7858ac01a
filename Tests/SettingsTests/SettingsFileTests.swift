import Primitives
import TestSupport
import Testing

@testable import Settings

/// `kachery.yaml`: what is read, and what is reported with which line.
@Suite struct SettingsFileTests {
  private func file(_ yaml: String) throws -> SettingsFile { try SettingsFile(yaml: Array(yaml.utf8)) }

  private func findings(_ yaml: String) throws -> [String] { try file(yaml).findings.map(\.description) }

  @Test func everySettingCanBeWritten() throws {
    let file = try file(
      """
      # our lab
      label: mouse-lab
      apiPort: 20432
      apiListen: 192.168.1.5:20443
      authGroup: lab
      gateway: 0.0.0.0:8080
      gatewayChannel: our-lab-x7k2
      gatewayOrigin: [https://lab.example.org, "http://localhost:3000", "*"]
      port: 15000
      alsoListen: [443, 8443]
      udpPort: 0
      websocketPort: 14580
      host: lab.example.org
      bootstrap:
        - a.example.org:14507
        - wss://b.example.org
      channel: our-lab-x7k2
      isBootstrap: yes
      introduceOnly: [our-lab-x7k2]
      relay: no
      udp: true
      lan: "no"
      multicast: off
      punching: false
      portGuessing: No
      portMapping: on
      proxy: http://proxy:3128
      noProxy: localhost,10.0.0.0/8
      limitUp: 50,08:00-18:00=5
      limitDown: 100
      limitRelay: 20
      maxTransfers: 200
      maxCacheSizeGiB: 0.5
      replicaLimitGiB: 50
      logFormat: json
      verbose: 1
      """)
    #expect(file.findings == [])
    let written = Setting.all.filter(\.isInFile).map(\.name)
    #expect(written.filter { file.entries[$0] == nil } == [])
    #expect(file.entries[.alsoListen]?.texts == ["443", "8443"])
    #expect(file.entries[.bootstrap]?.texts == ["a.example.org:14507", "wss://b.example.org"])
    #expect(file.entries[.channel]?.texts == ["our-lab-x7k2"] && file.entries[.channel]?.line == 17)
    #expect(file.entries[.udp]?.texts == ["yes"] && file.entries[.portGuessing]?.texts == ["no"])
  }

  @Test(arguments: ["", "# nothing\n", "limitUp:\n", "limitUp: ~\nproxy: null\n"])
  func whatSaysNothingIsFine(yaml: String) throws {
    #expect(try file(yaml) == SettingsFile())
  }

  @Test(arguments: [
    ("\n\nlimitUpp: 7", "line 3: 'limitUpp' is not a setting; did you mean 'limitUp'?"),
    ("limit-up: 7", "line 1: 'limit-up' is not a setting; did you mean 'limitUp'?"),
    ("MAXTRANSFERS: 7", "line 1: 'MAXTRANSFERS' is not a setting; did you mean 'maxTransfers'?"),
    ("somethingElse: {a: 1}", "line 1: 'somethingElse' is not a setting; 'kachery config show' lists all of them."),
    ("storageDir: /data", "line 1: 'storageDir' cannot be set here; set the variable KACHERY_STORAGE_DIR."),
    ("# x\nlimitUp: fast", "line 2: limitUp: 'fast' is not a rate in MB/s, such as 50 or 50,08:00-18:00=5."),
    ("limitUp: [5]", "line 1: limitUp: what is written here is not a rate in MB/s, such as 50 or 50,08:00-18:00=5."),
    ("port: 70000", "line 1: port: '70000' is not a port number from 0 to 65535."),
    ("alsoListen:\n  - 443\n  - 0", "line 3: alsoListen: '0' is not a port number from 1 to 65535."),
    (
      "bootstrap: [a:1, nowhere]",
      "line 1: bootstrap: 'nowhere' is not HOST:PORT, such as lab.example.org:14507, or wss://HOST[:PORT]."
    ),
    ("maxTransfers: -1", "line 1: maxTransfers: '-1' is not a whole number, 0 or more."),
    ("maxCacheSizeGiB: 0", "line 1: maxCacheSizeGiB: '0' is not a number of GiB above 0."),
    ("portMapping: perhaps", "line 1: portMapping: 'perhaps' is not yes or no."),
    ("logFormat: xml", "line 1: logFormat: 'xml' is not text or json."),
    (
      "gateway: localhost:80",
      "line 1: gateway: 'localhost:80' is not an IPv4 address and a port, such as 0.0.0.0:8080."
    ),
    (
      "gatewayOrigin: [https://a.example, https://b.example/]",
      "line 1: gatewayOrigin: 'https://b.example/' is not the origin of a site, such as https://lab.example.org, or *."
    ),
    (
      "gatewayOrigin: a.example",
      "line 1: gatewayOrigin: 'a.example' is not the origin of a site, such as https://lab.example.org, or *."
    ),
    ("channel: ' lab'", "line 1: channel: The channel ' lab' begins or ends with white space; leave that out."),
    ("- 1\n- 2", "the file has no settings; write each as 'limitUp: 50'."),
  ])
  func aMistakeIsNamedWithItsLine(yaml: String, finding: String) throws {
    #expect(try findings(yaml) == [finding])
  }

  @Test func aGatewayWithoutChannelsIsReported() throws {
    let (silent, useful) = (
      try file("\ngateway: 0.0.0.0:80\ngatewayChannel: []\n"), try file("gateway: 0.0.0.0:80\ngatewayChannel: a\n")
    )
    #expect(silent.findings == [] && silent.ineffective.map(\.line) == [2])
    #expect(useful.ineffective == [] && SettingsFile().ineffective == [])
  }

  @Test func allMistakesAreFoundAndTheRestIsRead() throws {
    let file = try file("portt: 5\nlimitUp: fast\nlimitDown: 9\nverbose: much\n")
    #expect(file.findings.map(\.line) == [1, 2, 4])
    #expect(Array(file.entries.keys) == [.limitDown])
  }

  @Test func aPasswordIsNotRepeated() throws {
    let file = try file("proxy: https://u:secret@c:3\n")
    #expect(file.findings.count == 1 && file.findings.allSatisfy { !$0.description.contains("secret") })
    #expect(file.entries[.proxy] != nil, "nothing may be reached directly against the owner's intent")
  }

  @Test(arguments: ["a: [", "limitUp: 5\nlimitUp: 6\n", "a: &x 1\nb: *x\n", "%"])
  func whatIsNoYAMLIsRefused(yaml: String) {
    let error = #expect(throws: KacheryError.self) { try file(yaml) }
    #expect(error?.code == .badConfiguration && error?.message.contains("Line") == true)
  }

  @Test func aMistakeLeavesWhatWasSetBefore() throws {
    let earlier = try file("limitUp: 5\nlimitDown: 6\n")
    let kept = try file("limitUp: fast\n").keepingEarlier(earlier)
    #expect(kept.entries[.limitUp]?.texts == ["5"] && kept.entries[.limitDown] == nil)
  }

  @Test(arguments: 0..<20) func mutatedFilesNeverTrap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let yaml = """
      label: lab
      alsoListen: [443]
      limitUp: 50,08:00-18:00=5
      proxy: http://u:p@h:1
      maxCacheSizeGiB: 1e3
      udp: no
      """
    for _ in 0..<100 {
      guard let file = try? SettingsFile(yaml: random.mutated(Array(yaml.utf8))) else { continue }
      for (name, entry) in file.entries where name != .proxy {
        #expect(Setting.named(name).kind.problem(inAll: entry.texts) == nil)
      }
      _ = file.findings.map(\.description)
    }
  }
}
