import Foundation
import Primitives
import TestSupport
import Testing

/// The daemon as a service: its log, and the files that it reads again on a signal.
@Suite(.serialized, .timeLimit(.minutes(2))) struct OperationsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func aLogOfJSONIsOneObjectALine() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--log-format", "json", "--nomulticast"])
    #expect(daemon.stop() == 0)
    let lines = try String(contentsOfFile: folder.path("node/daemon.log"), encoding: .utf8).split(separator: "\n")
    #expect(lines.count >= 2)
    let objects = try lines.map { try JSONParser.parse(Array($0.utf8)) }
    let started = try #require(objects.first { $0["event"]?.string == "started" })
    #expect(started["port"]?.string == "\(daemon.linkPort)")
    #expect(objects.last?["event"]?.string == "stopping")
    for (line, object) in zip(lines, objects) {
      #expect(object["time"]?.string?.contains(#/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/#) == true, "\(line)")
      #expect(["debug", "info", "warning", "error"].contains(object["level"]?.string))
      #expect(object["message"]?.string?.isEmpty == false)
    }
  }

  /// Checks only a lower bound on the time: nothing here depends on the speed of the machine.
  @Test(arguments: [(["--limit-up", "4"], []), ([], ["--limit-down", "4"])])
  func aLimitOnTheRateIsKept(sender: [String], receiver: [String]) throws {
    let meeting = try RunningDaemon(in: folder.path("meeting"), ["--isbootstrap", "--port", "0", "--nomulticast"])
    let options = ["--bootstrap", "127.0.0.1:\(meeting.linkPort)", "--channel", "rates-71c", "--nomulticast"]
    let one = try RunningDaemon(in: folder.path("one"), options + sender)
    let two = try RunningDaemon(in: folder.path("two"), options + receiver)
    try two.waitForLinks(2)
    let path = folder.path("source")
    try Data(PatternBytes.make(12_000_000)).write(to: URL(filePath: path))
    let stored = try one.store(path)
    let start = ContinuousClock.now
    let loaded = try two.load(FileKey(hash: stored.hash))
    // A receiver accepts its window of 4 MiB and a quarter of a second's worth before it slows the sender down.
    #expect(start.duration(to: .now) > .milliseconds(1_300))
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: loaded))
  }

  /// A limit written while the daemon is running applies once it receives SIGHUP.
  @Test func theLimitIsReadAgain() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
    let path = folder.path("source")
    try Data(PatternBytes.make(1_000_000)).write(to: URL(filePath: path))
    let stored = try daemon.store(path)
    let file = "\(daemon.storage)/sha1/" + ContentStorePath.relative(stored.hash)
    var times = [timespec](repeating: timespec(tv_sec: 1_000_000_000, tv_nsec: 0), count: 2)
    #expect(utimensat(AT_FDCWD, file, &times, 0) == 0)
    // The index takes precedence; without it the file's own time counts.
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

  private func log(_ node: String) throws -> String {
    try String(contentsOfFile: folder.path("\(node)/daemon.log"), encoding: .utf8)
  }

  private func waitForLog(_ node: String, _ isRight: (String) -> Bool) throws -> Bool {
    for _ in 0..<1_000 {
      if isRight(try log(node)) { return true }
      usleep(10_000)
    }
    return false
  }

  /// Limits written while the daemon is running; an invalid one is reported once and changes nothing.
  @Test func limitsOnTransfersAreReadFromTheDirectory() throws {
    let meeting = try RunningDaemon(in: folder.path("meeting"), ["--isbootstrap", "--port", "0", "--nomulticast"])
    let options = ["--bootstrap", "127.0.0.1:\(meeting.linkPort)", "--channel", "rates-80d", "--nomulticast"]
    let one = try RunningDaemon(in: folder.path("one"), options)
    let two = try RunningDaemon(in: folder.path("two"), options)
    try two.waitForLinks(2)
    let settings = URL(filePath: "\(one.storage)/kachery.yaml")
    try Data("limitUp: 4\nmaxTransfers: 2\n".utf8).write(to: settings)
    one.signal(SIGHUP)
    #expect(try waitForLog("one") { $0.contains("Applied kachery.yaml: limitUp is now 4, was not set.") })
    try Data("limitUp: fast\n".utf8).write(to: settings)
    for count in 2...4 {
      one.signal(SIGHUP)
      #expect(try waitForLog("one") { $0.ranges(of: "Reloading the channels").count == count })
    }
    #expect(try waitForLog("one") { $0.contains("kachery.yaml, line 1: limitUp: 'fast' is not a rate in MB/s") })
    let path = folder.path("source")
    try Data(PatternBytes.make(12_000_000)).write(to: URL(filePath: path))
    let stored = try one.store(path)
    let start = ContinuousClock.now
    _ = try two.load(FileKey(hash: stored.hash))
    #expect(start.duration(to: .now) > .milliseconds(2_000), "the earlier limit no longer applies")
    #expect(try log("one").ranges(of: "'fast' is not a rate").count == 1)
    withExtendedLifetime(meeting) {}
  }
}
