import APIModel
import Foundation
import Primitives
import TestSupport
import Testing

/// What `kachery doctor` says about real daemons, and without one.
@Suite(.serialized, .timeLimit(.minutes(2))) struct DoctorTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func doctor(_ environment: [String: String], _ arguments: String...) throws -> (code: Int32, output: String) {
    let ran = try run("kachery", ["doctor"] + arguments, in: folder.path, environment: environment)
    return (ran.code, ran.output)
  }

  /// The facts and the findings, each as its severity and code.
  private func checkup(
    _ environment: [String: String], _ arguments: String...
  ) throws -> (code: Int32, facts: Checkup, findings: [String]) {
    let ran = try run("kachery", ["doctor", "--json"] + arguments, in: folder.path, environment: environment)
    let json = try JSONParser.parse(Array(ran.output.utf8))
    let facts = try Checkup(json: json)
    #expect(json["isWell"]?.bool == (ran.code == 0))
    return (ran.code, facts, facts.findings.map { "\($0.severity) \($0.code.rawValue)" })
  }

  @Test func allIsWellBetweenTwoNodes() async throws {
    try await blocking {
      let hub = try RunningDaemon(in: folder.path("hub"), ["--isbootstrap", "--port", "0"])
      let options = ["--bootstrap", "127.0.0.1:\(hub.linkPort)", "--channel", "doctor-4b1", "--port", "0"]
      let one = try RunningDaemon(in: folder.path("one"), options)
      let two = try RunningDaemon(in: folder.path("two"), options)
      try two.waitForLinks(2)
      let seen = try checkup(two.environment)
      #expect(seen.code == 0 && seen.findings == [], "\(seen)")
      let daemon = try #require(seen.facts.daemon)
      #expect(try daemon.node == two.nodeID)
      #expect(daemon.ports == [two.linkPort] && daemon.links == 2)
      #expect(
        seen.facts.channels == [Checkup.JoinedChannelState(address: "doctor-4b1", membership: .byName, direct: 1)])
      #expect(seen.facts.proxy == nil)
      #expect(seen.facts.multicast == Checkup.Multicast(isOn: false, reason: "--nomulticast"))
      #expect(seen.facts.clock?.nodes == 2 && seen.facts.clock?.error == nil)
      #expect(seen.facts.disk?.directory == two.storage && seen.facts.disk?.problem == nil)
      #expect(seen.facts.outside?.port == two.linkPort)
      let bootstrap = try #require(seen.facts.bootstraps.first)
      #expect(try bootstrap.node == hub.nodeID)
      #expect(bootstrap.linkedBy == "lan" && bootstrap.attempts.first?.isReached == true)
      #expect(bootstrap.attempts.first?.roundTrip != nil)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: "\(two.storage)/kachery-node").allSatisfy {
          !$0.contains("doctor")
        })
      let text = try doctor(two.environment)
      #expect(text.code == 0 && text.output.hasSuffix("All is well.\n"), "\(text)")
      #expect(text.output.contains("127.0.0.1:\(hub.linkPort) (test): linked, directly"), "\(text)")
      #expect(text.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(text)")
      withExtendedLifetime((hub, one, two)) {}
    }
  }

  @Test func aDeadBootstrapNodeIsAProblemWithARemedy() async throws {
    try await blocking {
      let gone = try RunningDaemon(in: folder.path("gone"), ["--isbootstrap", "--port", "0"])
      let closed = gone.linkPort
      gone.kill()
      let lone = try RunningDaemon(
        in: folder.path("lone"), ["--bootstrap", "127.0.0.1:\(closed)", "--channel", "doctor-4b2", "--port", "0"])
      let seen = try checkup(lone.environment)
      #expect(seen.code == 1 && seen.findings == ["problem bootstraps_unreachable"], "\(seen)")
      #expect(seen.facts.bootstraps.first?.attempts.first?.problem == "Connection refused.", "\(seen)")
      let text = try doctor(lone.environment)
      #expect(text.code == 1 && text.output.contains("What is wrong:\n  - The bootstrap node 127.0.0.1:\(closed)"))
      #expect(text.output.contains("\n    → "))
      withExtendedLifetime(lone) {}
    }
  }

  @Test func aNodeWithoutChannelOrBootstrapNodeIsToldWhatToDo() async throws {
    try await blocking {
      let lone = try RunningDaemon(in: folder.path("lone"), ["--port", "0"])
      let seen = try checkup(lone.environment)
      #expect(seen.code == 1 && seen.findings == ["problem no_bootstrap", "problem no_channel"], "\(seen)")
      let proxied = try RunningDaemon(
        in: folder.path("proxied"),
        ["--port", "0", "--proxy", "http://localhost:9", "--channel", "c", "--bootstrap", "192.0.2.1:443"])
      let facts = try checkup(proxied.environment).facts
      #expect(facts.proxy == Checkup.Proxy(address: "http://localhost:9", source: "--proxy"))
      #expect(facts.outside == nil)
      #expect(facts.bootstraps.first?.attempts.first?.isThroughProxy == true)
      #expect(facts.bootstraps.first?.attempts.first?.problem?.contains("accepts no connections") == true)
      withExtendedLifetime((lone, proxied)) {}
    }
  }

  @Test func withoutADaemonItChecksWhatItCan() async throws {
    try await blocking {
      let hub = try RunningDaemon(in: folder.path("hub"), ["--isbootstrap", "--port", "0"])
      let home = folder.path("home")
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      let environment = ["HOME": home, "KACHERY_P2P_API_PORT": "1", "PATH": "/usr/bin:/bin"]
      let seen = try checkup(environment, "--bootstrap", "127.0.0.1:\(hub.linkPort)")
      #expect(seen.code == 1 && seen.findings == ["problem no_daemon"], "\(seen)")
      #expect(seen.facts.disk?.directory == "\(home)/kachery-storage" && seen.facts.disk?.problem == nil)
      #expect(seen.facts.bootstraps.first?.attempts.first?.isReached == true, "\(seen)")
      let text = try doctor(environment, "--bootstrap", "127.0.0.1:\(hub.linkPort)")
      #expect(text.output.contains("kachery-p2p-start-daemon") && text.output.contains("accepts connections"))
      // What a daemon of that directory has kept, and the environment's proxy.
      let channels = "\(home)/kachery-storage/kachery-node/channels"
      try FileManager.default.createDirectory(atPath: channels, withIntermediateDirectories: true)
      let document = "bootstrapAddresses:\n  - {hostName: 127.0.0.1, port: \(hub.linkPort)}\nauthorizedNodes: []\n"
      try Data(document.utf8).write(to: URL(filePath: "\(channels)/x.yaml"))
      try Data("{".utf8).write(to: URL(filePath: "\(channels)/y.yaml"))
      let kept = try checkup(environment.merging(["HTTPS_PROXY": "socks5://10.0.0.1"]) { _, new in new })
      #expect(kept.facts.bootstraps.map(\.address) == ["127.0.0.1:\(hub.linkPort)"])
      #expect(kept.facts.proxy?.source == "HTTPS_PROXY")
      #expect(kept.findings == ["problem no_daemon", "problem proxy_unusable"], "\(kept)")
      for wrong in [["--bootstrap", "x"], ["operand"], ["--bootstrap"]] {
        let ran = try run("kachery", ["doctor"] + wrong, in: folder.path, environment: environment)
        #expect(ran.code == 2, "\(ran)")
      }
      withExtendedLifetime(hub) {}
    }
  }
}
