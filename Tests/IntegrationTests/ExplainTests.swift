import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// Causes of a failed load, produced with real daemons, and what `kachery explain` and `kachery load` report.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ExplainTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func node(_ name: String, _ options: [String]) throws -> RunningDaemon {
    try RunningDaemon(in: folder.path(name), options)
  }

  /// A bootstrap node without channels, and the options that make nodes use it.
  private func meetingPoint() throws -> (daemon: RunningDaemon, options: [String]) {
    let bootstrap = try node("bootstrap", ["--isbootstrap", "--port", "0"])
    return (bootstrap, ["--bootstrap", "127.0.0.1:\(bootstrap.linkPort)"])
  }

  private func text(_ name: String = "text") throws -> String {
    let path = folder.path(name)
    try Data("some text".utf8).write(to: URL(filePath: path))
    return path
  }

  private let nowhere = "sha1://\(ContentHash.of(Array("no node has this".utf8)))/lost.txt"

  private func uri(_ reply: StoreReply) -> String { "sha1://\(reply.hash)/text" }

  private func explain(_ uri: String, _ environment: [String: String]) throws -> (exit: Int32, diagnosis: Diagnosis) {
    let asked = try run("kachery", ["explain", uri, "--json"], in: folder.path, environment: environment)
    return (asked.code, try Diagnosis(json: try JSONParser.parse(Array(asked.output.utf8))))
  }

  /// Expects that a load fails for this reason, with its exit code and message, and that an explanation names it too.
  private func expect(
    _ code: KacheryError.Code, _ uri: String, on asker: RunningDaemon, says part: String = " ",
    location: SourceLocation = #_sourceLocation
  ) throws {
    let exit = try #require(ErrorExplanation.of(code)?.exitCode)
    #expect(sourceLocation: location) {
      try asker.load(try KacheryURI(parsing: uri).key)
    } throws: {
      ($0 as? KacheryError)?.code == code
    }
    let load = try run("kachery", ["load", uri], in: folder.path, environment: asker.environment)
    #expect(load.code == exit && load.errors.contains(part), "\(load)", sourceLocation: location)
    let explained = try explain(uri, asker.environment)
    #expect(explained.exit == exit && explained.diagnosis.code == code, "\(explained)", sourceLocation: location)
    #expect(explained.diagnosis.summary.contains(part), "\(explained)", sourceLocation: location)
    #expect(!explained.diagnosis.advice.isEmpty, sourceLocation: location)
  }

  // MARK: Before any node is asked

  @Test func withoutADaemonThatIsTheReason() async throws {
    try await blocking {
      let environment = ["HOME": folder.path, "KACHERY_P2P_API_PORT": "1", "PATH": "/usr/bin:/bin"]
      let explained = try explain(nowhere, environment)
      #expect(explained.exit == 4 && explained.diagnosis.code == .noDaemon)
      for wrong in ["sha1://123", "sha256://\(String(repeating: "a", count: 64))", "feed://abc", "nonsense"] {
        let explained = try explain(wrong, environment)
        #expect(explained.exit == 2 && explained.diagnosis.code == .badRequest)
        #expect(explained.diagnosis.summary.contains(wrong))
      }
    }
  }

  @Test func aWrongURIAndAMissingOneAreRefusedByTheDaemonToo() async throws {
    try await blocking {
      let a = try node("a", [])
      #expect(try a.post("/v1/explain", ["uri": "sha1://xyz"])["code"]?.string == "bad_request")
      let (status, _) = try HTTPClient.fetch(a.request("/v1/explain", ["url": "sha1://xyz"]), limit: 1 << 16)
      #expect(status == 400)
    }
  }

  @Test func noChannelIsJoined() async throws {
    try await blocking {
      try expect(.noChannel, nowhere, on: try node("a", []), says: "no channel")
    }
  }

  @Test func whatIsHereIsHere() async throws {
    try await blocking {
      let a = try node("a", [])
      let explained = try explain(uri(try a.store(try text())), a.environment)
      #expect(explained.exit == 0 && explained.diagnosis.code == nil)
      #expect(explained.diagnosis.evidence.contains { $0.contains("\(a.storage)/sha1/") })
    }
  }

  /// Two people who have just joined a channel by its name, each on a network of their own.
  @Test func noPlaceToMeetIsKnown() async throws {
    try await blocking {
      let alone = try node("a", ["--channel", "lab"])
      try expect(.noMemberOnline, nowhere, on: alone)
      let advice = try explain(nowhere, alone.environment).diagnosis.advice
      #expect(advice.contains { $0.contains("knows no bootstrap node") && $0.contains("--bootstrap HOST:PORT") })
      let (bootstrap, options) = try meetingPoint()
      let other = try node("b", options + ["--channel", "lab"])
      try other.waitForLinks(1)
      let others = try explain(nowhere, other.environment).diagnosis.advice
      #expect(bootstrap.isRunning && !others.contains { $0.contains("knows no bootstrap") })
    }
  }

  @Test func noMemberIsOnline() async throws {
    try await blocking {
      let (bootstrap, options) = try meetingPoint()
      let a = try node("a", options + ["--channel", "lab"])
      try a.waitForLinks(1)
      try expect(.noMemberOnline, nowhere, on: a)
      // The bootstrap node is gone as well: now that is the reason.
      bootstrap.kill()
      try waitUntil { try explain(nowhere, a.environment).diagnosis.code == .unreachable }
      let evidence = try explain(nowhere, a.environment).diagnosis.evidence
      #expect(evidence.contains { $0.contains("127.0.0.1:\(bootstrap.linkPort)") })
    }
  }

  @Test func aMemberThatDiedCannotBeReached() async throws {
    try await blocking {
      let (bootstrap, options) = try meetingPoint()
      let a = try node("a", options + ["--channel", "lab"])
      try a.waitForLinks(1)
      a.kill()
      let b = try node("b", options + ["--channel", "lab"])
      try b.waitForLinks(1)
      try waitUntil { try explain(nowhere, b.environment).diagnosis.code == .unreachable }
      try expect(.unreachable, nowhere, on: b, says: "127.0.0.1:\(a.linkPort)")
      withExtendedLifetime(bootstrap) {}
    }
  }

  private func waitUntil(_ isTrue: () throws -> Bool) throws {
    for _ in 0..<20 {
      if try isTrue() { return }
      usleep(250_000)
    }
    Issue.record("the expected condition did not occur")
  }

  // MARK: Permission

  @Test func eachSideReadsTheChannelForItself() async throws {
    try await blocking {
      let (bootstrap, options) = try meetingPoint()
      let (a, b) = (try node("a", options), try node("b", options))
      let path = folder.path("channel.yaml")
      func write(_ members: [NodeID]) throws {
        let entries = members.map { "  - {nodeId: \($0), nodeLabel: x}\n" }.joined()
        try Data("channelLabel: lab\nauthorizedNodes:\n\(entries)".utf8).write(to: URL(filePath: path))
      }
      let key = uri(try a.store(try text()))
      try write([try a.nodeID])
      try join(a, path)
      try join(b, path)
      try expect(.notAuthorized, key, on: b, says: try b.nodeID.hex)
      // Now the document lists both, but a will not read it again for minutes.
      try write([try a.nodeID, try b.nodeID])
      try join(b, nil)
      try join(b, path)
      try b.waitForLinks(2)
      try expect(.refusedByPeer, key, on: b, says: try b.nodeID.hex)
      withExtendedLifetime(bootstrap) {}
    }
  }

  private func join(_ daemon: RunningDaemon, _ channel: String?) throws {
    let value = JoinedChannel.value(of: channel.map { [JoinedChannel(address: ByteString($0))] } ?? [])
    #expect(try daemon.post("/mutable/set", ["key": "_joined_channels_config", "value": value])["success"] == true)
  }

  // MARK: The source

  @Test func aSourceThatCannotGiveSaysWhy() async throws {
    try await blocking {
      let (bootstrap, options) = try meetingPoint()
      let a = try node("a", options + ["--channel", "lab", "--max-transfers", "0"])
      let b = try node("b", options + ["--channel", "lab"])
      try b.waitForLinks(2)
      let stored = try a.store(try text())
      try expect(.sourceBusy, uri(stored), on: b, says: try a.nodeID.short)
      try expect(.notFound, nowhere, on: b)
      let many = try run("kachery", ["load", uri(stored), nowhere], in: folder.path, environment: b.environment)
      #expect(many.code == 1 && many.errors.contains("is serving its maximum number of transfers"), "\(many)")

      // The target of a link is changed.
      let path = folder.path("linked")
      try Data("linked text".utf8).write(to: URL(filePath: path))
      let link = try run("kachery", ["link", path], in: folder.path, environment: a.environment)
      let linked = link.output.trimmingCharacters(in: .whitespacesAndNewlines)
      try Data("another text".utf8).write(to: URL(filePath: path))
      try expect(.sourceChanged, linked, on: b, says: try a.nodeID.short)

      // A check found the copy damaged.
      try damage(stored.hash, on: a)
      _ = try run("kachery", ["verify"], in: folder.path, environment: a.environment)
      try expect(.hashMismatch, uri(stored), on: b, says: "set aside")
      withExtendedLifetime(bootstrap) {}
    }
  }

  @Test func aDamagedCopyIsNamedAndRemembered() async throws {
    try await blocking {
      let (bootstrap, options) = try meetingPoint()
      let a = try node("a", options + ["--channel", "lab"])
      let b = try node("b", options + ["--channel", "lab"])
      try b.waitForLinks(2)
      // The damage is detected before the file is served.
      let stored = try a.store(try text())
      try damage(stored.hash, on: a)
      try expect(.hashMismatch, uri(stored), on: b, says: "set aside")
      // A node does not detect damage that older software left behind.
      let bytes = Data(PatternBytes.make(2_000_000))
      let older = ContentHash.of(Array(bytes))
      let path = "\(a.storage)/sha1/" + ContentStorePath.relative(older)
      try FileManager.default.createDirectory(
        atPath: URL(filePath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
      try bytes.write(to: URL(filePath: path))
      try damage(older, on: a)
      try expect(.hashMismatch, "sha1://\(older)/older", on: b, says: try a.nodeID.short)
      let node = try a.nodeID
      let peers = try run("kachery", ["daemon", "peers"], in: folder.path, environment: b.environment).output
      let lines = peers.split(separator: "\n").drop { !$0.contains(node.hex) }
      let remark = try #require(lines.dropFirst().prefix { $0.hasPrefix("  ") }.first { $0.hasPrefix("  ! ") })
      #expect(remark.contains("gave wrong bytes"))
      withExtendedLifetime(bootstrap) {}
    }
  }

  private func damage(_ hash: ContentHash, on daemon: RunningDaemon) throws {
    let path = "\(daemon.storage)/sha1/" + ContentStorePath.relative(hash)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    try handle.write(contentsOf: Data([0xff]))
    try handle.close()
  }

  @Test func aPersonCanReadIt() async throws {
    try await blocking {
      let a = try node("a", [])
      let told = try run("kachery", ["explain", nowhere], in: folder.path, environment: a.environment)
      let lines = told.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      #expect(told.code == 3)
      #expect(lines.first == "The file is not on this node, and the node has joined no channel.")
      #expect(lines.contains("(no_channel)") && lines.contains("What helps:"))
      #expect(lines.allSatisfy { $0.count <= 80 }, "\(told.output)")
    }
  }
}
