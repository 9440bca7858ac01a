import Foundation
import Primitives
import TestSupport
import Testing

/// The commands on a terminal, as a user sees them; script(1) of util-linux provides the terminal.
@Suite(.serialized, .timeLimit(.minutes(2))) struct TerminalTests {
  private let folder: TemporaryFolder
  private let environment: [String: String]
  private let absent = "sha1://" + String(repeating: "0", count: 40)

  init() throws {
    folder = try TemporaryFolder()
    environment = [
      "HOME": folder.path, "KACHERY_OFFLINE_STORAGE_DIR": folder.path("offline"), "PATH": "/usr/bin:/bin",
      "TERM": "xterm", "LC_ALL": "C.UTF-8",
    ]
  }

  /// Everything written to the terminal, both standard output and standard error.
  private func show(_ command: String, adding variables: [String: String] = [:]) throws -> (code: Int32, text: String) {
    let program = RunningDaemon.programs.appending(path: "kachery").path
    let shown = try runProgram(
      "/usr/bin/script", ["-qec", "'\(program)' \(command)", "/dev/null"], in: folder.path,
      environment: environment.merging(variables) { _, new in new })
    return (shown.code, shown.output.replacing("\r\n", with: "\n"))
  }

  private func storedEmptyFile() throws -> String {
    try Data().write(to: URL(filePath: folder.path("empty")))
    return try show("store empty").text
  }

  @Test func anErrorBreaksBetweenWordsAndIsRed() throws {
    _ = try storedEmptyFile()
    let failed = try show("load \(absent)")
    #expect(failed.code == 3)
    #expect(failed.text.hasPrefix("\u{1b}[31mError:\u{1b}[0m The file "))
    let lines = failed.text.replacing("\u{1b}[31m", with: "").replacing("\u{1b}[0m", with: "").split(separator: "\n")
    #expect(lines.count > 1)
    // A path may be longer than a line; it is then alone on its line.
    for line in lines { #expect(line.count <= 80 || !line.dropFirst(7).contains(" "), "\(line)") }
    for line in lines.dropFirst() { #expect(line.hasPrefix("       "), "\(line)") }
    #expect(try show("load \(absent)", adding: ["NO_COLOR": "1"]).text.hasPrefix("Error: "))
    #expect(try show("load \(absent)", adding: ["TERM": "dumb"]).text.hasPrefix("Error: "))
  }

  @Test func aLargeFileShowsHowFarItsStoringIs() throws {
    let handle = FileManager.default.createFile(atPath: folder.path("large"), contents: nil)
    #expect(handle)
    #expect(truncate(folder.path("large"), 110_000_000) == 0)
    let stored = try show("store large")
    #expect(stored.code == 0)
    #expect(stored.text.contains("large █"))
    #expect(stored.text.contains("100%  110 MB of 110 MB"))
    #expect(stored.text.contains(/\nsha1:\/\/[0-9a-f]{40}\/large\?manifest=[0-9a-f]{40}\n$/))
    let quiet = try show("store large --quiet")
    #expect(quiet.text.hasPrefix("sha1://"))
    #expect(try show("store large", adding: ["TERM": "dumb"]).text.hasPrefix("sha1://"))
  }

  /// One bar over all bytes and files, from the first line to the last, for storing and for loading.
  @Test func aFolderShowsOneBarOverAllItsBytesAndFiles() throws {
    try FileManager.default.createDirectory(atPath: folder.path("many"), withIntermediateDirectories: true)
    for number in 0..<100 { try Data("\(number)".utf8).write(to: URL(filePath: folder.path("many/\(number)"))) }
    let stored = try show("store many")
    let uri = try #require(stored.text.split(separator: "\n").last)
    for text in [stored.text, try show("load-dir '\(uri)' --dest copy").text] {
      let drawn = text.split(separator: "\r\u{1b}[K").map { $0.prefix { $0 != "\n" } }
      #expect(try #require(drawn.first).contains(/^(many|copy) ░+  0%  0 B of 190 B  0 of 100 files$/), "\(text)")
      let last = try #require(drawn.last { $0.contains("files") })
      #expect(last.contains(/^(many|copy) █+  100%  190 B of 190 B  100 of 100 files/), "\(text)")
    }
    let plain = try show("load-dir '\(uri)' --dest größer", adding: ["LC_ALL": "C"]).text
    #expect(plain.contains(/gr\?\?er #+  100%  190 B of 190 B  100 of 100 files/), "\(plain)")
    #expect(plain.split(separator: "\n").dropLast().allSatisfy { $0.utf8.allSatisfy { $0 < 128 } })
  }
}
