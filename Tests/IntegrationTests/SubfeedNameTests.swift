import Foundation
import TestSupport
import Testing

/// Names of subfeeds, which their writer publishes: whoever reads the feed sees them, and a mistyped one is an error.
@Suite(.timeLimit(.minutes(2))) struct SubfeedNameTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func feed(
    _ daemon: RunningDaemon, _ arguments: String...
  ) throws -> (code: Int32, output: String, errors: String) {
    try run("kachery", ["feed"] + arguments, in: folder.path, environment: daemon.environment)
  }

  private func createdFeed(_ daemon: RunningDaemon) throws -> String {
    try feed(daemon, "create", "notes").output.trimmingCharacters(in: .newlines)
  }

  @Test func readersSeeTheNames() async throws {
    try await blocking {
      let writer = try RunningDaemon(in: folder.path("writer"), ["--isbootstrap", "--port", "0", "--channel", "lab"])
      let reader = try RunningDaemon(
        in: folder.path("reader"), ["--bootstrap", "127.0.0.1:\(writer.linkPort)", "--channel", "lab"])
      try reader.waitForLinks(1)
      let uri = try createdFeed(writer)
      for (subfeed, text) in [("main", "one"), ("main", "two"), ("sensor", "three")] {
        #expect(try feed(writer, "append", "notes/\(subfeed)", "{\"text\": \"\(text)\"}").code == 0)
      }
      #expect(
        try feed(writer, "append", "notes", "--subfeed-json", "{\"job\": 1}", "{\"text\": \"four\"}").code == 0)

      // The writer, and a reader that has read nothing yet.
      for (daemon, count) in [(writer, 2), (reader, 0)] {
        let info = try feed(daemon, "info", uri)
        #expect(info.code == 0, "\(info)")
        #expect(info.output.contains("Subfeed main (~"), "\(info)")
        #expect(info.output.contains("): \(count) messages here"), "\(info)")
        #expect(info.output.contains("Subfeed sensor (~"), "\(info)")
        #expect(info.output.contains("Subfeed {\"job\":1} (~"), "\(info)")
      }
      // The list of names is not shown as a subfeed.
      #expect(try feed(writer, "list").output.contains("3 subfeeds, 4 messages"))

      let read = try feed(reader, "read", "\(uri)/main", "--json")
      #expect(read.output.split(separator: "\n").count == 2 && read.output.contains("\"one\""), "\(read)")
      for daemon in [reader, writer] {
        let mistyped = try feed(daemon, "read", "\(uri)/mian", "--timeout", "1")
        #expect(mistyped.code == 3, "\(mistyped)")
        #expect(mistyped.errors.contains("The feed has no subfeed 'mian'. Did you mean 'main'? It has main, sensor"))
        #expect(try feed(daemon, "tail", "\(uri)/mian", "--timeout", "1").code == 3)
        #expect(try feed(daemon, "info", "\(uri)/mian", "--timeout", "1").code == 3)
      }
    }
  }

  /// A client of an earlier version tells hashes alone: nothing is known of the names, and nothing is refused.
  @Test func withoutNamesNothingIsRefused() async throws {
    try await blocking {
      let writer = try RunningDaemon(in: folder.path("writer"), [])
      let uri = try createdFeed(writer)
      let hash = "0123456789012345678901234567890123456789"
      #expect(try feed(writer, "append", "\(uri)/~\(hash)", "{\"text\": \"one\"}").code == 0)
      #expect(try feed(writer, "info", uri).output.contains("Subfeed ~\(hash): 1 message here"))
      #expect(try feed(writer, "read", "\(uri)/other").code == 0)
    }
  }
}
