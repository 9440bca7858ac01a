import APIModel
import Foundation
import Primitives
import TestSupport
import Testing

/// Problems between real daemons that a person has to solve: both ends show them, with what helps.
@Suite(.serialized, .timeLimit(.minutes(2))) struct NoticeListTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// What the commands say once the daemon has a notice of this kind.
  private func shown(_ daemon: RunningDaemon, _ command: String..., whenLogged text: String) throws -> String {
    for _ in 0..<400 {
      if try daemon.log().contains(text) { break }
      usleep(25_000)
    }
    #expect(try daemon.log().contains(text))
    let shown = try run("kachery", command, in: folder.path, environment: daemon.environment)
    return (shown.output + shown.errors).split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  @Test func theCommandsNameTheProblemAndTheRemedy() async throws {
    try await blocking {
      let hub = try RunningDaemon(
        in: folder.path("hub"), ["--isbootstrap", "--port", "0", "--introduce-only", "notices-4f2"])
      #expect(try hub.log().contains("This bootstrap node introduces only 0 nodes by ID, and members of 1 channel."))
      let toHub = ["--bootstrap", "127.0.0.1:\(hub.linkPort)"]
      let one = try RunningDaemon(in: folder.path("one"), toHub + ["--channel", "notices-4f2"])
      try one.waitForLinks(1)
      let oneID = try one.nodeID

      // A copy of its storage directory and key, as one that was moved to another machine.
      try FileManager.default.createDirectory(atPath: folder.path("copy"), withIntermediateDirectories: true)
      for part in ["storage", "config"] {
        let copying = try runProgram(
          "/bin/cp", ["-r", folder.path("one/\(part)"), folder.path("copy/\(part)")], in: folder.path, environment: [:])
        #expect(copying.code == 0, "\(copying)")
      }
      let copy = try RunningDaemon(in: folder.path("copy"), toHub + ["--channel", "notices-4f2"])
      for daemon in [copy, one] {
        let text = try shown(daemon, "daemon", "peers", whenLogged: "has this node's identity")
        #expect(text.contains("has this node's identity") && text.contains("- Stop one of the two."), "\(text)")
        let status = try shown(daemon, "daemon", "status", whenLogged: "has this node's identity")
        #expect(status.contains("has this node's identity"), "\(status)")
        #expect(try daemon.log().components(separatedBy: "has this node's identity").count == 2, "logged once")
      }
      #expect(try hub.log().contains("Two running nodes have the identity of node \(oneID.short)"))

      // Neither the node nor the bootstrap node introduces this one.
      let asker = try RunningDaemon(
        in: folder.path("asker"), toHub + ["--bootstrap", "127.0.0.1:\(one.linkPort)", "--channel", "other-4f2"])
      let askerID = try asker.nodeID
      let text = try shown(asker, "daemon", "peers", whenLogged: "is not a bootstrap node and has no channel in common")
      #expect(text.contains("127.0.0.1:\(one.linkPort) leads to node \(oneID.short) ('test')"), "\(text)")
      #expect(text.contains("--isbootstrap"))
      let limited = try shown(asker, "daemon", "peers", whenLogged: "which refuses this node")
      #expect(limited.contains("--introduce-only \(askerID.hex)"), "\(limited)")
      let explained = try shown(
        asker, "explain", "sha1://\(ContentHash.of(Array("nowhere".utf8)))/x", whenLogged: "which refuses this node")
      #expect(explained.contains("no_member_online") && explained.contains("--isbootstrap"), "\(explained)")
      let there = try shown(one, "daemon", "peers", whenLogged: "asked this node for a link")
      #expect(there.contains("node \(askerID.short) ('test')") && there.contains("--isbootstrap"), "\(there)")
      let status = try shown(hub, "daemon", "status", whenLogged: "asked this bootstrap node to introduce it")
      #expect(status.contains("Introduces: only 0 nodes by ID, and members of 1 channel"), "\(status)")
    }
  }

  @Test func theLimitNeedsABootstrapNode() throws {
    let refused = try runProgram(
      RunningDaemon.programs.appending(path: "kacheryd").path, ["--introduce-only", "lab"], in: folder.path,
      environment: ["HOME": folder.path, "PATH": "/usr/bin:/bin"])
    #expect(refused.code == 2 && refused.errors.contains("add --isbootstrap"), "\(refused)")
  }
}
