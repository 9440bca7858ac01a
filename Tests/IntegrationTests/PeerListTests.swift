import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// What `kachery daemon peers` and `/v1/peers` show of the paths between real daemons.
@Suite(.serialized, .timeLimit(.minutes(2))) struct PeerListTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func peers(of daemon: RunningDaemon, _ arguments: String...) throws -> (output: String, errors: String) {
    let shown = try run(
      "kachery", ["daemon", "peers"] + arguments, in: folder.path, environment: daemon.environment)
    #expect(shown.code == 0, "\(shown)")
    return (shown.output, shown.errors)
  }

  @Test func thePathsAreShownWithWhatTheyCarried() async throws {
    try await blocking {
      let hub = try RunningDaemon(in: folder.path("hub"), ["--isbootstrap", "--port", "0"])
      let options = ["--bootstrap", "127.0.0.1:\(hub.linkPort)", "--channel", "paths-5d1"]
      let one = try RunningDaemon(in: folder.path("one"), options)
      let two = try RunningDaemon(in: folder.path("two"), options)
      try two.waitForLinks(2)
      let path = folder.path("source")
      try Data(PatternBytes.make(3_000_000)).write(to: URL(filePath: path))
      _ = try two.load(FileKey(hash: try one.store(path).hash))

      let lines = try peers(of: two, "--json").output.split(separator: "\n")
      #expect(lines.count == 2)
      let shown = try lines.map { try JSONParser.parse(Array($0.utf8)) }
      let oneID = try one.nodeID.hex
      let source = try #require(shown.first { $0["nodeId"]?.string == oneID })
      // The fields of earlier versions.
      #expect(source["label"]?.string == "test" && source["isBootstrapNode"]?.bool == false)
      #expect(source["address"]?.string?.contains("127.0.0.1:") == true)
      #expect(source["clockOffsetSeconds"]?.integer != nil && source["badAnswers"]?.integer == 0)
      #expect(source["version"]?.string == "kachery \(APIVersion.daemon)")
      let paths = try #require(source["paths"]?.array).map { try PeerPath(json: $0) }
      let used = try #require(paths.first)
      #expect(used.isInUse && used.kind == "lan")
      #expect(["thisNode", "otherNode"].contains(used.dialedBy))
      #expect(used.roundTrip != nil)
      #expect(paths.reduce(0) { $0 + $1.bytesReceived } > 3_000_000)
      #expect(used.bytesSent > 0)
      #expect(paths.count > 1 || used.reason == "the only one")

      let text = try peers(of: two)
      #expect(text.output.contains("test (bootstrap node), kachery \(APIVersion.daemon)\n  \(try hub.nodeID.hex)\n"))
      #expect(text.output.contains("  * in the local network to 127.0.0.1:"))
      #expect(text.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(text.output)")
      #expect(text.errors == "2 nodes are linked to this one: 2 directly.\n")
    }
  }
}
