import Foundation
import Primitives
import TestSupport
import Testing

/// The daemon as a service: its log, and what it reads again when told to.
@Suite(.serialized, .timeLimit(.minutes(2))) struct OperationsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func aLogOfJSONIsOneObjectALine() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--log-format", "json", "--nomulticast"])
    #expect(daemon.stop() == 0)
    let lines = try String(contentsOfFile: folder.path("node/daemon.log"), encoding: .utf8).split(separator: "\n")
    #expect(lines.count >= 2)
    for line in lines {
      let object = try JSONParser.parse(Array(line.utf8))
      #expect(object["time"]?.string?.contains(#/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/#) == true, "\(line)")
      #expect(["debug", "info", "warning", "error"].contains(object["level"]?.string))
      #expect(object["message"]?.string?.isEmpty == false)
    }
  }

  /// A limit that is written while the daemon runs counts once it hears SIGHUP.
  @Test func theLimitIsReadAgain() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
    let path = folder.path("source")
    try Data(PatternBytes.make(1_000_000)).write(to: URL(filePath: path))
    let stored = try daemon.store(path)
    let file = "\(daemon.storage)/sha1/" + ContentStorePath.relative(stored.hash)
    var times = [timespec](repeating: timespec(tv_sec: 1_000_000_000, tv_nsec: 0), count: 2)
    #expect(utimensat(AT_FDCWD, file, &times, 0) == 0)
    // What the index remembers counts more; it may be lost, and then the file tells.
    #expect(daemon.stop() == 0)
    for name in try FileManager.default.contentsOfDirectory(atPath: "\(daemon.storage)/kachery-node")
    where name.hasPrefix("index-") {
      try FileManager.default.removeItem(atPath: "\(daemon.storage)/kachery-node/\(name)")
    }
    try daemon.start()
    #expect(FileManager.default.fileExists(atPath: file))
    try Data("maxCacheSizeGiB: 0.0001\n".utf8).write(to: URL(filePath: "\(daemon.storage)/kachery.yaml"))
    daemon.signal(SIGHUP)
    for _ in 0..<500 where FileManager.default.fileExists(atPath: file) { usleep(10_000) }
    #expect(!FileManager.default.fileExists(atPath: file))
    #expect(try daemon.nodeID.hex.count == 64)
  }
}
