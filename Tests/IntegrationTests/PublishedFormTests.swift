import Crypto
import Foundation
import Primitives
import TestSupport
import Testing

/// Output that scripts read from the commands under their published names, and options that they pass.
/// (`Python/tests/test_published_commands.py` compares with the commands that are still on PyPI.)
@Suite(.serialized, .timeLimit(.minutes(2))) struct PublishedFormTests {
  private let folder: TemporaryFolder
  private let daemon: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    daemon = try RunningDaemon(in: folder.path("node"), [])
  }

  private func call(
    _ name: String, _ arguments: String..., input: String? = nil
  ) throws -> (code: Int32, output: String, errors: String) {
    try run(name, arguments, in: folder.path, environment: daemon.environment, input: input)
  }

  private func stored(_ text: String) throws -> String {
    try call("kachery-store", "-", input: text).output.trimmingCharacters(in: .newlines)
  }

  @Test(arguments: ["kachery-p2p-find", "kachery-p2p find-file"])
  func nodesWithTheFileAreReported(name: String) throws {
    let words = name.split(separator: " ").map(String.init)
    let uri = try stored("abc")
    let found = try run(
      words[0], words.dropFirst() + [uri], in: folder.path, environment: daemon.environment)
    #expect(found.code == 0)
    let node = try daemon.nodeID
    #expect(
      found.output == """
        {
            "nodeId": "\(node)",
            "fileKey": {
                "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d"
            },
            "fileSize": 3
        }

        """)
    #expect(try call("kachery", "find", uri).output == "\(node)  3 B  (this node)\n")
  }

  @Test func channelsAreJoinedListedAndLeft() throws {
    #expect(try call("kachery-p2p-join-channel", "lab").output == "Joined channel\n")
    #expect(try call("kachery-p2p", "get-channels").output == "lab \n")
    let again = try call("kachery-p2p", "join-channel", "lab", "--data-proxy", "--public")
    #expect(again.output == "Updated existing channel configuration\n")
    #expect(try call("kachery-p2p-get-channels").output == "lab (data-proxy) (public)\n")
    let row = try call("kachery", "channel", "list").output.split(separator: "\n")[1].split(separator: " ")
    #expect(row == ["lab", "name", "member,", "--data-proxy,", "--public", "-", "0", "0"])
    #expect(try call("kachery-p2p", "leave-channel", "lab").output == "Left channel: lab\n")
    #expect(try call("kachery-p2p-get-channels").output.isEmpty)
  }

  @Test func nodeAndVersionAreReported() throws {
    let node = try daemon.nodeID
    for (name, command) in [
      ("kachery-p2p-node-info", []), ("kachery-p2p", ["node-info"]), ("kachery-daemon", ["info"]),
    ] {
      let told = try run(name, command, in: folder.path, environment: daemon.environment)
      #expect(told.output == "Node ID: \(node)\n")
    }
    #expect(
      try call("kachery-p2p", "version").output
        .contains(/^This is kachery_p2p version [^ ]+ \[protocol version [^ ]+\]\.\n$/))
    #expect(try call("kachery-daemon", "version").output.contains(/^This is kachery_daemon version [^ ]+\n$/))
  }

  @Test func withoutOtherNodesOnlyStoredFilesAreLoaded() throws {
    let uri = try stored("abc")
    let loaded = try call("kachery-p2p", "load-file", uri, "--exp-nop2p", "--exp-file-server-url", "http://x/")
    #expect(loaded.code == 0)
    #expect(loaded.output.hasPrefix(daemon.storage))
    #expect(loaded.errors.hasPrefix("Note: --exp-file-server-url has no effect: "))
    #expect(try call("kachery-p2p", "cat-file", uri, "--exp-nop2p", "--start", "0", "--end", "2").output == "ab")
    let missing = try call("kachery-p2p-load", "sha1://" + String(repeating: "0", count: 40), "--exp-nop2p")
    #expect(missing.code == 3)
  }

  /// The options of the package 'kachery', from before there were nodes.
  @Test func theOldestOptionsAreAccepted() throws {
    try Data("abc".utf8).write(to: URL(filePath: folder.path("file")))
    let server = ["--url", "http://x/", "--password", "x", "-p", "x", "-c", "x"]
    let stored = try run(
      "kachery-store", ["file", "--upload", "-u", "-uo", "-a", "sha1", "--git-annex-mode", "--channel", "x"] + server,
      in: folder.path, environment: daemon.environment)
    #expect(stored.code == 0, "\(stored)")
    let uri = stored.output.trimmingCharacters(in: .newlines)
    for (name, arguments) in [
      ("kachery-load", [uri, "--dest", "copy"]), ("kachery-cat", [uri]), ("kachery-ls", [uri]),
    ] {
      let told = try run(
        name, arguments + ["--download", "-d", "-do"] + server, in: folder.path, environment: daemon.environment)
      #expect(told.code == 0, "\(told)")
      #expect(told.errors.contains("Note: --download has no effect: "))
    }
  }

  @Test func commandsWithoutAPurposeSaySo() throws {
    for (name, arguments) in [
      ("kachery-config-ephemeral-node", []), ("kachery-client", ["config-ephemeral-node"]),
    ] {
      let told = try run(name, arguments, in: folder.path, environment: daemon.environment)
      #expect(told.code == 0 && told.output.isEmpty)
      #expect(told.errors.hasPrefix("Note: "))
    }
    #expect(try call("kachery", "log").code == 2)
    let log = try run("kachery-p2p-log", [], in: folder.path, environment: daemon.environment)
    #expect(log.code == 0 && log.output.contains("is running: local API on"), "\(log)")
  }

  @Test func aStoredFolderIsListed() throws {
    let path = folder.path("session7")
    try FileManager.default.createDirectory(atPath: "\(path)/sub", withIntermediateDirectories: true)
    try Data("abc".utf8).write(to: URL(filePath: "\(path)/a.txt"))
    try Data("abc".utf8).write(to: URL(filePath: "\(path)/sub/b.txt"))
    let uri = try call("kachery-store", "session7").output.trimmingCharacters(in: .newlines)
    #expect(try call("kachery-ls", uri).output == "sub/\na.txt\n")
    #expect(try call("kachery-ls", "\(uri)/sub").output == "b.txt\n")
    #expect(try call("kachery-ls", "\(uri)/nothing").code == 3)
    #expect(try call("kachery-p2p-find", "\(uri)/sub/b.txt").output.contains("\"fileSize\": 3"))
  }

  /// Options without effect, and a part of what is said about each.
  private static let withoutEffect = [
    "kachery-p2p-start-daemon": [
      "--public-url": "--api-listen", "--static-config": "--bootstrap and channels with --channel",
      "--method": "a separate program", "--node-arg": "a separate program",
    ],
    "kachery-p2p": [
      "--config": "--bootstrap and channels with --channel", "--nobootstrap": "named with --bootstrap",
      "--ismessageproxy": "join a channel with --message-proxy", "--isdataproxy": "join a channel with --data-proxy",
      "--dverbose": "see --verbose",
    ],
    "kachery-daemon": [
      "--owner": "key owns the node", "--kachery-hub-url": "no longer exists", "--method": "a separate program",
    ],
  ]

  /// Every option that daemons were ever started with.
  @Test(arguments: [
    [
      "kachery-p2p-start-daemon", "--label", "x", "--verbose", "1", "--host", "localhost", "--http-port", "0",
      "--noudp",
      "--nomulticast", "--udp-port", "0", "--websocket-port", "0", "--public-url", "http://x/", "--method", "npx",
      "--static-config", "https://x/config.yaml", "--node-arg=--inspect", "--isbootstrap", "--auth-group", "",
    ],
    [
      "kachery-p2p", "start-daemon", "--config", "x.yaml", "--label", "x", "--channel", "lab", "--bootstrap",
      "127.0.0.1:1", "--nobootstrap", "--ismessageproxy", "--isdataproxy", "--port", "0", "--dverbose", "0",
    ],
    [
      "kachery-daemon", "start", "--label", "x", "--owner", "me@x", "--kachery-hub-url", "https://x", "--method", "npm",
    ],
  ])
  func aDaemonIsStartedAsItAlwaysWas(words: [String]) throws {
    let own = folder.path("own")
    let link = folder.path(words[0])
    try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: RunningDaemon.programs.appending(path: "kachery").path)
    let process = Process()
    process.executableURL = URL(filePath: link)
    process.arguments = Array(words.dropFirst())
    var environment = daemon.environment
    environment["KACHERY_STORAGE_DIR"] = "\(own)/storage"
    environment["KACHERY_P2P_CONFIG_DIR"] = "\(own)/config"
    environment["KACHERY_P2P_API_PORT"] = "0"
    process.environment = environment
    try Data().write(to: URL(filePath: "\(own)/log"))
    process.standardError = try FileHandle(forWritingTo: URL(filePath: "\(own)/log"))
    try process.run()
    defer { process.terminate() }
    var log = ""
    for _ in 0..<2_000 where process.isRunning && !log.contains("is running") {
      usleep(10_000)
      log = try String(contentsOfFile: "\(own)/log", encoding: .utf8)
    }
    let port = try #require(log.firstMatch(of: /http:\/\/127\.0\.0\.1:(\d+)/)?.1, "\(log)")
    #expect(log.contains("Node 'x'"))
    // What has no effect is said, each with what replaces it.
    let ignored = try #require(Self.withoutEffect[words[0]])
    for (option, remedy) in ignored {
      #expect(log.contains("Note: \(option) has no effect: ") && log.contains(remedy), "\(option): \(log)")
    }
    #expect(log.components(separatedBy: "has no effect: ").count - 1 == ignored.count)
    environment["KACHERY_P2P_API_PORT"] = String(port)
    let stopped = try run("kachery-p2p-stop-daemon", [], in: folder.path, environment: environment)
    #expect(stopped.code == 0)
    process.waitForEnd()
    #expect(process.terminationStatus == 0)
  }
}
