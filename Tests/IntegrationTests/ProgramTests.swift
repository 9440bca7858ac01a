import Foundation
import Primitives
import TestSupport
import Testing

/// The program's names, its help, and its output for shells and man.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ProgramTests {
  private let folder: TemporaryFolder
  private let environment: [String: String]

  init() throws {
    folder = try TemporaryFolder()
    environment = [
      "HOME": folder.path, "KACHERY_OFFLINE_STORAGE_DIR": folder.path("offline"), "PATH": "/usr/bin:/bin",
      "KACHERY_P2P_API_PORT": "1",
    ]
  }

  private func call(_ name: String, _ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
    try run(name, arguments, in: folder.path, environment: environment)
  }

  /// Every name ever published.
  @Test(arguments: [
    "kachery-store", "kachery-load", "kachery-cat", "kachery-link", "kachery-info", "kachery-load-dir", "kachery-ls",
    "kachery-generate-node-id", "kachery-p2p-cat", "kachery-p2p-find", "kachery-p2p-get-channels",
    "kachery-p2p-join-channel", "kachery-p2p-leave-channel", "kachery-p2p-link", "kachery-p2p-load",
    "kachery-p2p-node-info", "kachery-p2p-start-daemon", "kachery-p2p-stop-daemon", "kachery-p2p-store",
    "kachery-p2p-log",
    "kachery-config-ephemeral-node",
  ])
  func everyPublishedNameIsAProgram(name: String) throws {
    let help = try call(name, "--help")
    #expect(help.code == 0)
    #expect(help.output.hasPrefix("Usage: \(name)"))
    #expect(help.output.contains("Example"))
    let makefile = try String(
      contentsOfFile: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Makefile").path,
      encoding: .utf8)
    #expect(makefile.contains(" \(name) ") || makefile.contains(" \(name)\n"), "make install makes the link")
  }

  @Test(arguments: [
    ("kachery-p2p", ["cat-file", "find-file", "get-channels", "join-channel", "leave-channel", "load-file"]),
    ("kachery-p2p", ["store-file", "link-file", "node-info", "start-daemon", "stop-daemon", "version"]),
    ("kachery-client", ["cat-file", "load-file", "store-file", "link-file", "info", "generate-node-id", "version"]),
    ("kachery-client", ["config-ephemeral-node"]), ("kachery-p2p", ["log"]),
    ("kachery-daemon", ["start", "info", "version"]),
  ])
  func everyPublishedCommandIsKnown(program: String, commands: [String]) throws {
    for command in commands {
      let help = try call(program, command, "--help")
      #expect(help.code == 0)
      #expect(help.output.hasPrefix("Usage: \(program) \(command)"))
    }
  }

  @Test func whatIsMistypedIsSuggested() throws {
    #expect(try call("kachery", "laod").errors.contains("Did you mean 'load'?"))
    for (word, command) in [("status", "daemon status"), ("peers", "daemon peers"), ("channels", "channel list")] {
      #expect(try call("kachery", word).errors.contains("Did you mean '\(command)'?"))
    }
    #expect(try call("kachery-load", "--dset", "x").errors.contains("Did you mean '--dest'?"))
    // An error in an operand is explained; the help would add nothing.
    #expect(try !call("kachery-load", "sha1://12").errors.contains("--help"))
    #expect(try call("kachery-load").errors.contains("See kachery-load --help."))
    #expect(try call("kachery-load", "--wrong").errors.contains("See kachery-load --help."))
    #expect(try !call("kachery", "zebra").errors.contains("Did you mean"))
    #expect(try call("kachery", "channel", "help", "join").output.hasPrefix("Usage: kachery channel join "))
    #expect(try call("kachery-p2p", "help", "load-file").output.hasPrefix("Usage: kachery-p2p load-file "))
    #expect(try call("kachery", "help", "load").output.hasPrefix("Usage: kachery load "))
    #expect(try call("kachery", "channel").output.contains("\n  join "))
    #expect(try call("kachery", "channel", "laeve").errors.contains("Did you mean 'leave'?"))
    #expect(try call("kachery", "--version").output.hasPrefix("kachery "))
  }

  @Test func aNodeIDIsMadeUp() throws {
    let made = try call("kachery-client", "generate-node-id").output
    #expect(made.contains(/^Random node ID: [0-9a-f]{64}\nCorresponding private key \(hex\): [0-9a-f]{64}\n$/))
    #expect(try made != call("kachery-client", "generate-node-id").output)
  }

  @Test func infoNamesTheDaemon() throws {
    try FileManager.default.createDirectory(atPath: folder.path("offline"), withIntermediateDirectories: true)
    let offline = try call("kachery-info")
    #expect(offline.code == 0 && offline.output.contains("\nOffline: KACHERY_OFFLINE_STORAGE_DIR is set"))
    let online = environment.filter { $0.key != "KACHERY_OFFLINE_STORAGE_DIR" }
    #expect(try run("kachery-info", [], in: folder.path, environment: online).code == 4)
    let daemon = try RunningDaemon(in: folder.path("node"), ["--channel", "info-lab"])
    let info = try run("kachery-info", [], in: folder.path, environment: daemon.environment)
    #expect(info.code == 0)
    #expect(info.output.hasPrefix("Node ID: \(try daemon.nodeID)\n"))
    #expect(info.output.contains("Channels: info-lab\n"))
    #expect(info.output.hasSuffix("You have access to this daemon\n"))
    let peers = try run("kachery", ["daemon", "peers"], in: folder.path, environment: daemon.environment)
    #expect(peers.code == 0)
    #expect(peers.output.isEmpty)
  }

  /// The shell itself verifies the script and what it completes.
  @Test func bashCompletesCommandsAndOptions() throws {
    let script = try call("kachery", "completion", "bash").output
    func complete(_ words: String...) throws -> [String] {
      let list = words.map { "'\($0)'" }.joined(separator: " ")
      let test = "\(script)\nCOMP_WORDS=(\(list)); COMP_CWORD=\(words.count - 1); _kachery; echo \"${COMPREPLY[@]}\""
      let process = Process()
      process.executableURL = URL(filePath: "/bin/bash")
      process.arguments = ["-c", test]
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      process.waitForEnd()
      let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      return output.split(whereSeparator: { $0.isWhitespace }).map(String.init)
    }
    #expect(try complete("kachery", "lo") == ["load", "load-dir"])
    #expect(try complete("kachery", "channel", "l") == ["leave", "list"])
    #expect(try complete("kachery", "load", "--d") == ["--dest"])
    #expect(try complete("kachery", "verify", "--j") == ["--json"])
    #expect(try complete("kachery", "gc", "--d") == ["--damaged", "--dry-run"])
    #expect(try !complete("kachery", "load-dir", "--").contains("--label"))
    #expect(try complete("kachery", "pin", "--j").isEmpty)
    #expect(try complete("kachery", "daemon", "start", "--lab") == ["--label"])
    #expect(try complete("kachery-load", "--de") == ["--dest"])
    #expect(try complete("/usr/local/bin/kachery-p2p-start-daemon", "--isb") == ["--isbootstrap"])
    let program = RunningDaemon.programs.appending(path: "kachery").path
    #expect(try complete(program, "receive", "alga") == ["algae-"])
    #expect(try complete(program, "receive", "algae-alie") == ["algae-alien-"])
    #expect(try complete("kachery-p2p", "find") == ["find-file"])
    #expect(try complete("kachery-client", "cat-file", "--st") == ["--start"])
    #expect(try complete("kachery-p2p-start-daemon", "--nob").isEmpty)
    for name in ["kachery", "kachery-p2p-find", "kachery-client", "kachery-store"] {
      #expect(script.split(separator: "\n").last?.contains(" \(name)") == true, "\(name)")
    }
    for shell in ["zsh", "fish"] { #expect(try call("kachery", "completion", shell).output.contains("load-dir")) }
    #expect(try call("kachery", "completion", "tcsh").code == 2)
  }

  /// As readers see it: no line is wider than a terminal, for any command.
  @Test func helpFitsTheTerminal() throws {
    let overview = try call("kachery", "--help").output
    let names = overview.split(separator: "\n").compactMap { $0.firstMatch(of: #/^  ([a-z-]+( [a-z]+)?)  /#)?.1 }
    #expect(names.count > 20)
    for name in names {
      let help = try run(
        "kachery", name.split(separator: " ").map(String.init) + ["--help"], in: folder.path, environment: environment)
      for line in help.output.split(separator: "\n") { #expect(line.count <= 80, "\(name): \(line)") }
    }
    for line in overview.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
  }

  @Test func theManualPageHoldsEveryCommand() throws {
    let page = try call("kachery", "manual").output
    let overview = try call("kachery", "--help").output
    let names = overview.split(separator: "\n").compactMap { $0.firstMatch(of: #/^  ([a-z-]+( [a-z]+)?)  /#)?.1 }
    #expect(names.count > 20)
    for name in names { #expect(page.contains(".SS kachery \(name.replacing("-", with: "\\-"))"), "\(name)") }
    for line in page.split(separator: "\n") where line.hasPrefix(".") {
      #expect([".TH", ".SH", ".SS", ".TP", ".B", ".PP", ".nf", ".fi", ".I", ".RI"].contains { line.hasPrefix($0) })
    }
  }
}
