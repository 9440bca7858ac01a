import Foundation
import Primitives
import TestSupport
import Testing

/// `kachery feed …` on a node, for a feed that another node writes.
@Suite(.serialized, .timeLimit(.minutes(3))) struct SharedFeedCommandTests {
  private let folder: TemporaryFolder
  private let writer: RunningDaemon
  private let reader: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    writer = try RunningDaemon(in: folder.path("writer"), ["--isbootstrap", "--channel", "lab", "--port", "0"])
    reader = try RunningDaemon(
      in: folder.path("reader"), ["--bootstrap", "127.0.0.1:\(writer.linkPort)", "--channel", "lab"])
    try reader.waitForLinks(1)
  }

  @discardableResult
  private func feed(
    on daemon: RunningDaemon, _ arguments: String...
  ) throws -> (code: Int32, output: String, errors: String) {
    try run("kachery", ["feed"] + arguments, in: folder.path, environment: daemon.environment)
  }

  private func createFeed() throws -> String {
    try feed(on: writer, "create").output.trimmingCharacters(in: .newlines)
  }

  private func lines(_ numbers: Range<Int>) -> String { numbers.map { "{\"n\":\($0)}\n" }.joined() }

  @Test func anotherNodeReadsIt() throws {
    let uri = try createFeed()
    for number in 0..<3 { try feed(on: writer, "append", "\(uri)/main", "{\"n\":\(number)}") }
    let first = try feed(on: reader, "read", "\(uri)/main", "--json")
    #expect(first.output == lines(0..<3), "\(first)")
    #expect(try feed(on: reader, "info", uri).output.contains("Written by: the node \(try writer.nodeID)\n"))
    #expect(try feed(on: reader, "list").output == "\(uri)  -  1 subfeed, 3 messages\n")
    try feed(on: writer, "append", "\(uri)/main", #"{"n":3}"#)
    #expect(try feed(on: reader, "tail", "\(uri)/main", "-n", "2", "--json").output == lines(2..<4))
    let refused = try feed(on: reader, "append", "\(uri)/main", "{}")
    #expect(refused.code == 1 && refused.output.isEmpty, "\(refused)")
  }

  @Test func aCopyIsReadWhileTheWriterIsAway() throws {
    let uri = try createFeed()
    try feed(on: writer, "append", "\(uri)/main", #"{"n":0}"#, #"{"n":1}"#)
    #expect(try feed(on: reader, "read", "\(uri)/main", "--json").output == lines(0..<2))
    #expect(writer.stop() == 0)
    let copy = try feed(on: reader, "read", "\(uri)/main", "--json", "--timeout", "0.5")
    #expect(copy.code == 0 && copy.output == lines(0..<2) && copy.errors.contains("not online"), "\(copy)")
    #expect(try feed(on: reader, "read", "\(uri)/main", "--json", "--local").output == lines(0..<2))
    #expect(try feed(on: reader, "info", uri, "--timeout", "0.5").output.contains("a node that is not online"))
  }

  @Test func messagesComeAsTheyAreAppended() throws {
    let uri = try createFeed()
    try feed(on: writer, "append", "\(uri)/main", #"{"n":0}"#)
    let following = try Following(
      "kachery", ["feed", "tail", "-f", "\(uri)/main", "--json"], in: folder.path, environment: reader.environment)
    defer { following.stop() }
    for number in 0..<4 {
      #expect(try following.line() == "{\"n\":\(number)}")
      try feed(on: writer, "append", "\(uri)/main", "{\"n\":\(number + 1)}")
    }
  }

  @Test func aNodeWithAGrantSubmits() throws {
    let uri = try createFeed()
    let node = try reader.nodeID.hex
    let refused = try feed(on: reader, "append", "\(uri)/main", "{}", "--submit")
    #expect(refused.code == 3 && refused.errors.hasPrefix("Error: "), "\(refused)")
    try feed(on: writer, "grant", "\(uri)/main", node)
    let submitted = try feed(on: reader, "append", "\(uri)/main", #"{"n":0}"#, #"{"n":1}"#, "--submit")
    #expect(submitted.code == 0, "\(submitted)")
    try feed(on: writer, "revoke", "\(uri)/main", node)
    #expect(try feed(on: reader, "append", "\(uri)/main", "{}", "--submit").code == 3)
    #expect(try feed(on: writer, "read", "\(uri)/main", "--json").output == lines(0..<2))
  }
}
