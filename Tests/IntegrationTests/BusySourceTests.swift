import APIModel
import Foundation
import Primitives
import TestSupport
import Testing

/// A daemon that serves one slow transfer at a time: the other clients wait, and none fails.
@Suite(.serialized, .timeLimit(.minutes(2))) struct BusySourceTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func theSecondPeerWaitsAndIsServed() async throws {
    try await onOwnThread { [folder] in
      let meeting = try RunningDaemon(in: folder.path("meeting"), ["--isbootstrap", "--port", "0", "--nomulticast"])
      let options = ["--bootstrap", "127.0.0.1:\(meeting.linkPort)", "--channel", "busy-51a", "--nomulticast"]
      let source = try RunningDaemon(in: folder.path("source"), options + ["--max-transfers", "1", "--limit-up", "3"])
      let first = try RunningDaemon(in: folder.path("first"), options)
      let second = try RunningDaemon(in: folder.path("second"), options)
      for daemon in [first, second] { try daemon.waitForLinks(3) }
      func store(_ name: String, _ count: Int) throws -> FileKey {
        let path = folder.path(name)
        try Data(PatternBytes.make(count, seed: count)).write(to: URL(filePath: path))
        return FileKey(hash: try source.store(path).hash)
      }
      let large = try store("large", 9_000_000)
      let small = try (1...3).map { try store("small \($0)", 2_000 + $0) }
      var refusals = 0
      _ = try first.load(large) { loaded in
        guard loaded > 0, refusals == 0 else { return }
        refusals = 1
        // The only stream slot is taken, so this request is refused until the other stream has ended.
        let uris = small.map { "sha1://\($0.hash)" }
        let all = try? run("kachery", ["load"] + uris, in: folder.path, environment: second.environment)
        #expect(all?.code == 0, "\(String(describing: all))")
      }
      #expect(refusals == 1)
      let (another, told) = (try store("another", 6_000_000), try store("told", 3_000))
      let sourceID = try [source.nodeID] as Set
      var waitedFor: [NodeID] = []
      _ = try first.load(another) { loaded in
        guard loaded > 0, waitedFor.isEmpty else { return }
        #expect((try? second.load(told, waits: { waitedFor.append($0) })) != nil)
        #expect(Set(waitedFor) == sourceID)
      }
      withExtendedLifetime((meeting, first, second)) {}
    }
  }
}
