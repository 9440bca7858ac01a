import Foundation
import Primitives
import TestSupport
import Testing

/// A load of a folder that is interrupted: what it leaves does not look whole, and the same command continues.
@Suite(.serialized, .timeLimit(.minutes(2))) struct FolderInterruptionTests {
  private let folder: TemporaryFolder
  private let uri: String

  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path("data/sub"), withIntermediateDirectories: true)
    for number in 0..<150 {
      let name = number % 2 == 0 ? "data/\(number)" : "data/sub/\(number)"
      try Data("file \(number)".utf8).write(to: URL(filePath: folder.path(name)))
    }
    uri = try folder.call("kachery-store", ["data"], in: folder.offline).output.trimmingCharacters(in: .newlines)
  }

  private func names(_ path: String = "") -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path(path))) ?? []).sorted()
  }

  private func files(in path: String) -> Int {
    FileManager.default.enumerator(atPath: folder.path(path))?.reduce(0) { count, _ in count + 1 } ?? 0
  }

  private func isWhole(_ path: String) throws -> Bool {
    try runProgram(
      "/usr/bin/diff", ["-r", folder.path("data"), folder.path(path)], in: folder.path, environment: [:]
    ).code == 0
  }

  /// Starts to load the folder, and ends that with the signal as soon as some files are written; false if it was
  /// quicker.
  private func interrupt(_ destination: String, by signal: Int32, writingTo place: () -> String?) throws -> Bool {
    let process = Process()
    process.executableURL = RunningDaemon.programs.appending(path: "kachery")
    process.arguments = ["load-dir", uri, "--dest", destination]
    process.environment = folder.offline.merging(RunningDaemon.sanitizerOptions) { own, _ in own }
    process.currentDirectoryURL = URL(filePath: folder.path)
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    while process.isRunning, place().map(files) ?? 0 < 6 { usleep(500) }
    kill(process.processIdentifier, signal)
    process.waitForEnd()
    return process.terminationReason == .uncaughtSignal
  }

  @Test(arguments: [SIGKILL, SIGINT]) func aNewFolderAppearsWhenItIsWhole(signal: Int32) async throws {
    try await blocking {
      var wasInterrupted = false
      for _ in 0..<10 where !wasInterrupted {
        try? FileManager.default.removeItem(atPath: folder.path("out"))
        wasInterrupted = try interrupt("out/", by: signal) { names().first { $0.hasPrefix(".out.") } }
      }
      try #require(wasInterrupted, "no attempt was early enough")
      #expect(!names().contains("out"))
      let hidden = try #require(names().first { $0.hasPrefix(".out.") && $0.hasSuffix(".kachery-partial") })
      // What is written is not loaded again: it need not even be in the storage directory any more.
      let written = try #require(names(hidden).first { $0 != "sub" && !$0.hasPrefix(".") })
      let text = try Data(contentsOf: URL(filePath: folder.path("\(hidden)/\(written)")))
      let stored = try run(
        "kachery", ["store", "-"], in: folder.path, environment: folder.offline,
        input: String(decoding: text, as: UTF8.self))
      try folder.call("kachery", ["rm", stored.output.trimmingCharacters(in: .newlines)], in: folder.offline)
      // What is damaged is written again, and what does not belong there goes.
      let other = try #require(names(hidden).last { $0 != "sub" && $0 != written && !$0.hasPrefix(".") })
      try Data("x".utf8).write(to: URL(filePath: folder.path("\(hidden)/\(other)")))
      try Data("x".utf8).write(to: URL(filePath: folder.path("\(hidden)/sub/.kachery-1-2.part")))
      #expect(try folder.call("kachery-load-dir", [uri, "--dest", "out/"], in: folder.offline).output == "out/\n")
      #expect(try isWhole("out"))
      #expect(!names().contains { $0.hasSuffix(".kachery-partial") })
    }
  }

  @Test func aFolderThatExistsIsMarkedUntilItIsWhole() async throws {
    try await blocking {
      var wasInterrupted = false
      for _ in 0..<10 where !wasInterrupted {
        try? FileManager.default.removeItem(atPath: folder.path("out"))
        try FileManager.default.createDirectory(atPath: folder.path("out"), withIntermediateDirectories: true)
        wasInterrupted = try interrupt("out", by: SIGKILL) { "out" }
      }
      try #require(wasInterrupted, "no attempt was early enough")
      let marker = try #require(names("out").first { $0.hasPrefix("unfinished-") })
      #expect(marker.hasSuffix(".kachery-partial"))
      for name in names("out") + names("out/sub").map({ "sub/\($0)" }) where name.hasSuffix(".part") {
        try FileManager.default.removeItem(atPath: folder.path("out/\(name)"))
      }
      try folder.call("kachery-load-dir", [uri, "--dest", "out"], in: folder.offline)
      #expect(try isWhole("out"))
    }
  }

  @Test func aFailedLoadLeavesNothing() throws {
    let stored = try folder.call("kachery-store", ["data/8"], in: folder.offline).output
    try folder.call("kachery", ["rm", stored.trimmingCharacters(in: .newlines)], in: folder.offline)
    try folder.call("kachery-load-dir", [uri, "--dest", "out"], in: folder.offline, code: 3)
    #expect(names().filter { !$0.hasPrefix("kachery") } == ["data", "offline"])
    try folder.call("kachery-load-dir", [uri, "--dest", "data/8"], in: folder.offline, code: 2)
  }

  /// In a folder that everyone may write to, such as /tmp, another user could prepare a trap.
  @Test func aHiddenFolderThatLeadsElsewhereIsRefused() throws {
    _ = try interrupt("out", by: SIGKILL) { names().first { $0.hasPrefix(".out.") } }
    try? FileManager.default.removeItem(atPath: folder.path("out"))
    let left = names().first { $0.hasPrefix(".out.") }
    let hidden = try left ?? #require(nil, "the load was not interrupted")
    try FileManager.default.removeItem(atPath: folder.path(hidden))
    try FileManager.default.createDirectory(atPath: folder.path("trap"), withIntermediateDirectories: true)
    try Data("precious".utf8).write(to: URL(filePath: folder.path("trap/kept")))
    try FileManager.default.createSymbolicLink(atPath: folder.path(hidden), withDestinationPath: "trap")
    #expect(
      try folder.call("kachery-load-dir", [uri, "--dest", "out"], in: folder.offline, code: 2).errors
        .contains("belongs to someone else"))
    #expect(names("trap") == ["kept"])
  }
}
