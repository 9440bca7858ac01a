import Foundation
import Primitives
import TestSupport
import Testing

/// Ctrl-C, SIGTERM, and destinations that must not be replaced: `load --dest` writes a whole file or none.
@Suite(.serialized, .timeLimit(.minutes(2))) struct InterruptionTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Starts the command in the background.
  private func start(_ arguments: [String], environment: [String: String]) throws -> (Process, complaints: String) {
    let process = Process()
    process.executableURL = RunningDaemon.programs.appending(path: "kachery")
    process.arguments = arguments
    process.environment = environment.merging(RunningDaemon.sanitizerOptions) { own, _ in own }
    process.currentDirectoryURL = URL(filePath: folder.path)
    let complaints = folder.path("complaints")
    try Data().write(to: URL(filePath: complaints))
    process.standardError = try FileHandle(forWritingTo: URL(filePath: complaints))
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    return (process, complaints)
  }

  private func wait(for what: String, _ isSo: () throws -> Bool) throws {
    for _ in 0..<20_000 {
      if try isSo() { return }
      usleep(1_000)
    }
    throw KacheryError(.timedOut, "\(what) did not come.")
  }

  private func names(in path: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func anInterruptedLoadLeavesNothingAndResumes(signal: Int32) async throws {
    try await blocking { try interruptALoad(signal) }
  }

  private func interruptALoad(_ signal: Int32) throws {
    let source = try RunningDaemon(
      in: folder.path("source"), ["--isbootstrap", "--channel", "lab", "--port", "0", "--limit-up", "30"])
    let node = try RunningDaemon(
      in: folder.path("node"), ["--bootstrap", "127.0.0.1:\(source.linkPort)", "--channel", "lab"])
    try node.waitForLinks(1)
    let original = try folder.file("original", bytes: 60_000_000)
    let stored = try source.store(original)
    let uri = "sha1://\(stored.hash)/original?manifest=\(try #require(stored.manifest))"
    let target = folder.path("out")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)

    let (process, complaints) = try start(["load", uri, "--dest", "out/copy"], environment: node.environment)
    let journal = "\(node.storage)/kachery-node/partial/\(stored.hash).verified"
    try wait(for: "A verified chunk") {
      guard process.isRunning else {
        throw KacheryError(.internalError, try String(contentsOfFile: complaints, encoding: .utf8))
      }
      return ((try? FileManager.default.attributesOfItem(atPath: journal)[.size] as? Int) ?? 0) > 0
    }
    kill(process.processIdentifier, signal)
    process.waitForEnd()
    #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == signal)
    #expect(
      try String(contentsOfFile: complaints, encoding: .utf8)
        == "Interrupted. Run the same command to continue.\n")
    #expect(names(in: target) == [])

    var first: UInt64?
    _ = try node.load(FileKey(hash: stored.hash, manifest: stored.manifest)) { first = first ?? $0 }
    #expect(try #require(first) >= 20_000_000, "what was verified is not loaded again")
    let again = try run(
      "kachery", ["load", uri, "--dest", "out/copy"], in: folder.path, environment: node.environment)
    #expect(again.code == 0, "\(again)")
    #expect(FileManager.default.contentsEqual(atPath: original, andPath: "\(target)/copy"))
    #expect(names(in: target) == ["copy"])
  }

  /// The timing is random: some attempts are too late, and then the copy is whole.
  @Test func aCopyThatIsInterruptedIsRemoved() async throws {
    try await blocking { try interruptACopy() }
  }

  private func interruptACopy() throws {
    let environment = folder.offline
    let original = try folder.file("original", bytes: 60_000_000)
    let stored = try run("kachery-store", ["original"], in: folder.path, environment: environment)
    let uri = stored.output.trimmingCharacters(in: .newlines)
    let target = folder.path("out")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    var interrupted = 0
    for _ in 0..<10 where interrupted < 2 {
      let (process, _) = try start(["load", uri, "--dest", "out/copy"], environment: environment)
      try wait(for: "A file") { !names(in: target).isEmpty }
      kill(process.processIdentifier, SIGINT)
      process.waitForEnd()
      if process.terminationReason == .uncaughtSignal {
        interrupted += 1
        #expect(names(in: target).allSatisfy { $0 == "copy" })
      }
      if names(in: target) == ["copy"] {
        #expect(FileManager.default.contentsEqual(atPath: original, andPath: "\(target)/copy"))
        try FileManager.default.removeItem(atPath: "\(target)/copy")
      }
      #expect(names(in: target) == [])
    }
    #expect(interrupted > 0, "no attempt was early enough")
  }

  @Test func whatADestinationIsStaysWhatItIs() throws {
    let environment = folder.offline
    func call(_ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
      try run("kachery", arguments, in: folder.path, environment: environment)
    }
    let uri = try run("kachery", ["store", "-"], in: folder.path, environment: environment, input: "abc")
      .output.trimmingCharacters(in: .newlines)
    // A symbolic link leads to the file to write.
    try Data("old".utf8).write(to: URL(filePath: folder.path("target")))
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: folder.path("target"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "target")
    #expect(try call("load", uri, "--dest", "link").code == 0)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == "target")
    #expect(try String(contentsOfFile: folder.path("target"), encoding: .utf8) == "abc")
    let permissions = try FileManager.default.attributesOfItem(atPath: folder.path("target"))[.posixPermissions]
    #expect(permissions as? Int == 0o640)
    // A device is written to, not replaced.
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    let reader = open(folder.path("pipe"), O_RDWR)
    defer { close(reader) }
    #expect(try call("load", uri, "--dest", "pipe").code == 0)
    var bytes = [UInt8](repeating: 0, count: 8)
    #expect(read(reader, &bytes, 8) == 3 && bytes.prefix(3) == [97, 98, 99])
    let kind = try FileManager.default.attributesOfItem(atPath: folder.path("pipe"))[.type] as? FileAttributeType
    #expect(kind != .typeRegular)
    // A name of the greatest length that file systems support.
    let long = String(repeating: "n", count: 255)
    #expect(try call("load", uri, "--dest", long).code == 0)
    #expect(try String(contentsOfFile: folder.path(long), encoding: .utf8) == "abc")
    #expect(names(in: folder.path).allSatisfy { !$0.hasSuffix(".part") })
  }

  @Test func aDestinationIsCheckedBeforeAnythingIsLoaded() throws {
    // No daemon answers: a load would end with code 4.
    let environment = ["HOME": folder.path, "KACHERY_P2P_API_PORT": "1", "PATH": "/usr/bin:/bin"]
    let uri = "sha1://" + String(repeating: "0", count: 40)
    func code(_ destination: String) throws -> Int32 {
      try run("kachery", ["load", uri, "--dest", destination], in: folder.path, environment: environment).code
    }
    #expect(try code("/nowhere/copy") == 1)
    #expect(try code("new/") == 2)
    #expect(try code(folder.path) == 2)
    #expect(try code("copy") == 4)
  }
}
