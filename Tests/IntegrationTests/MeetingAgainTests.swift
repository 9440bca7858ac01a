import Foundation
import Primitives
import TestSupport
import Testing

/// Real daemons that were linked find each other after a restart, although the bootstrap node stays away.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MeetingAgainAfterRestartTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func membersLoadFromEachOtherWithoutTheBootstrapNode() async throws {
    try await blocking {
      let hub = try RunningDaemon(in: folder.path("hub"), ["--isbootstrap", "--port", "0"])
      let options = ["--bootstrap", "127.0.0.1:\(hub.linkPort)", "--channel", "again-71c"]
      let one = try RunningDaemon(in: folder.path("one"), options)
      let other = try RunningDaemon(in: folder.path("other"), options)
      try other.waitForLinks(2)
      let path = folder.path("source")
      try Data(PatternBytes.make(100_000)).write(to: URL(filePath: path))
      let key = FileKey(hash: try one.store(path).hash)
      let port = one.linkPort

      for daemon in [hub, other, one] { #expect(daemon.stop() == 0) }
      #expect(!FileManager.default.fileExists(atPath: "\(hub.storage)/kachery-node/members.json"))
      for daemon in [one, other] { try daemon.start() }
      #expect(one.linkPort == port, "the port of the first start is kept")
      _ = try other.load(key)
      #expect(try other.log().contains("Linked to 'test' \(one.nodeID.short)."))

      // Neither the port nor what is remembered may keep a daemon from starting.
      #expect(one.stop() == 0)
      let holder = try RunningDaemon(in: folder.path("holder"), ["--port", "\(port)"])
      try Data("{".utf8).write(to: URL(filePath: "\(one.storage)/kachery-node/members.json"))
      try one.start()
      let log = try one.log()
      #expect(one.linkPort != port && log.contains("Port \(port), on which this node accepted links before, is in use"))
      #expect(log.contains("members.json.damaged"))
      #expect(holder.isRunning)
    }
  }
}
