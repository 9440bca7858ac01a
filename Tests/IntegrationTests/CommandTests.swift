import Foundation
import Primitives
import TestSupport
import Testing

/// The command-line program as its users see it.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CommandTests {
  private let folder: TemporaryFolder
  private let environment: [String: String]

  init() throws {
    folder = try TemporaryFolder()
    environment = folder.offline
  }

  private func call(
    _ name: String, _ arguments: String..., in environment: [String: String]? = nil, input: String? = nil
  ) throws -> (code: Int32, output: String, errors: String) {
    try run(name, arguments, in: folder.path, environment: environment ?? self.environment, input: input)
  }

  @Test func whatIsStoredCanBeLoadedByEveryName() throws {
    try Data("hello\n".utf8).write(to: URL(filePath: folder.path("my file.txt")))
    let stored = try call("kachery-store", "my file.txt")
    #expect(stored.code == 0)
    #expect(stored.output == "sha1://f572d396fae9206628714fb2ce00f72e94f2258f/my%20file.txt\n")
    #expect(stored.errors.isEmpty)
    let uri = stored.output.trimmingCharacters(in: .newlines)
    for (name, arguments) in [
      ("kachery-load", [uri]), ("kachery-p2p-load", [uri]), ("kachery", ["load", uri]),
      ("kachery-p2p", ["load-file", uri]),
    ] {
      let loaded = try run(name, arguments, in: folder.path, environment: environment)
      #expect(loaded.code == 0)
      #expect(try String(contentsOfFile: loaded.output.trimmingCharacters(in: .newlines), encoding: .utf8) == "hello\n")
    }
    #expect(try call("kachery-cat", uri).output == "hello\n")
    #expect(try call("kachery-cat", uri, "--start", "1", "--end", "3").output == "el")
    #expect(try call("kachery-cat", uri, "--start", "9").code == 2)
  }

  @Test func filesAreLinkedAlsoBesideOneThatIsNot() throws {
    for name in ["one", "two"] { try Data(name.utf8).write(to: URL(filePath: folder.path(name))) }
    let linked = try call("kachery-link", "one", "no such file", "two")
    #expect(linked.code == 3)
    #expect(linked.output.split(separator: "\n").map { $0.suffix(4) } == ["/one", "/two"])
    #expect(linked.errors.contains("no such file"))
  }

  @Test func standardInputIsStored() throws {
    let stored = try call("kachery-store", "-", "--label", "x.txt", input: "abc")
    #expect(stored.output == "sha1://a9993e364706816aba3e25717850c26c9cd0d89d/x.txt\n")
  }

  @Test func aDestinationIsWrittenWholeOrNotAtAll() throws {
    let uri = try call("kachery-store", "-", input: "abc").output.trimmingCharacters(in: .newlines)
    let target = folder.path("copy")
    try Data("old".utf8).write(to: URL(filePath: target))
    #expect(try call("kachery-load", uri, "--dest", "copy").output == "copy\n")
    #expect(try String(contentsOfFile: target, encoding: .utf8) == "abc")
    #expect(try call("kachery-load", uri, "--dest", folder.path).code == 2)
    #expect(try call("kachery-load", uri, "--dest", "/nowhere/copy").code == 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.hasSuffix(".part") })
  }

  @Test func exitCodesSayWhatHappened() throws {
    #expect(try call("kachery-load", "sha1://12").code == 2)
    #expect(try call("kachery-load").code == 2)
    #expect(try call("kachery-load", "--wrong").code == 2)
    #expect(try call("kachery", "nonsense").code == 2)
    let missing = try call("kachery-load", "sha1://" + String(repeating: "0", count: 40))
    #expect(missing.code == 3)
    #expect(missing.output.isEmpty)
    #expect(missing.errors.hasPrefix("Error: "))
    #expect(try call("kachery-store", "no such file").code == 3)
    #expect(try call("kachery-store", "/dev/null").code == 2)
    let nobody = ["HOME": folder.path, "KACHERY_P2P_API_PORT": "1", "PATH": "/usr/bin:/bin"]
    let alone = try call("kachery-load", "sha1://" + String(repeating: "0", count: 40), in: nobody)
    #expect(alone.code == 4)
    #expect(alone.errors.contains("kachery-p2p-start-daemon"))
    #expect(try call("kachery-p2p-get-channels", in: nobody).code == 4)
  }

  @Test func everyCommandHasHelpWithAnExample() throws {
    for name in [
      ["store"], ["link"], ["load"], ["cat"], ["find"], ["ls"], ["du"], ["verify"], ["rm"], ["gc"], ["pin"], ["unpin"],
      ["channel", "join"], ["channel", "leave"], ["channel", "list"], ["channel", "reload"], ["feed", "create"],
      ["feed", "list"], ["feed", "append"], ["feed", "read"], ["feed", "tail"], ["feed", "info"], ["feed", "grant"],
      ["feed", "revoke"],
      ["feed", "snapshot"], ["feed", "delete"], ["print-messages"],
      ["daemon", "start"], ["daemon", "stop"], ["daemon", "status"], ["node-info"], ["version"],
    ] {
      let help = try run("kachery", name + ["--help"], in: folder.path, environment: environment)
      #expect(help.code == 0)
      #expect(help.output.contains("Example"))
      // zsh refuses an unquoted question mark.
      for line in help.output.split(separator: "\n") where line.contains("sha1://") && line.contains("?") {
        #expect(line.contains("'sha1://"), "\(line)")
      }
      #expect(help.output.contains("Exit codes:"))
    }
    #expect(try call("kachery-p2p-start-daemon", "--help").output.contains("without effect: --nobootstrap"))
    #expect(try call("kachery", "version").output.hasPrefix("kachery "))
  }

  @Test func aDaemonIsUsedWhereThereIsOne() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    var environment = daemon.environment
    environment["KACHERY_STORAGE_DIR"] = nil
    let uri = try call("kachery-store", "-", in: environment, input: "abc").output.trimmingCharacters(in: .newlines)
    #expect(try call("kachery-cat", uri, in: environment).output == "abc")
    #expect(try call("kachery-p2p-join-channel", "lab", "--public", in: environment).code == 0)
    #expect(try call("kachery-p2p-get-channels", in: environment).output == "lab (public)\n")
    #expect(try call("kachery-p2p-leave-channel", "other", in: environment).code == 3)
    #expect(try call("kachery-p2p-leave-channel", "lab", in: environment).code == 0)
    #expect(try call("kachery-p2p-node-info", in: environment).output == "Node ID: \(try daemon.nodeID)\n")
    #expect(try call("kachery", "find", uri, in: environment).output.contains("(this node)"))
    environment["KACHERY_STORAGE_DIR"] = folder.path("another")
    #expect(try call("kachery-cat", uri, in: environment).code == 1)
    environment["KACHERY_STORAGE_DIR"] = nil
    #expect(try call("kachery-p2p-stop-daemon", in: environment).code == 0)
    #expect(try call("kachery-p2p-node-info", in: environment).code == 4)
  }

  @Test func theDaemonIsStartedByItsPublishedName() throws {
    let wrong = try call("kachery-p2p-start-daemon", "--port", "x")
    #expect(wrong.code == 2)
    #expect(wrong.errors.contains("--port"))
    #expect(try call("kachery-p2p-start-daemon", "--nonsense").code == 2)
  }
}
