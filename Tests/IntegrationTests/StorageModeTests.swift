import APIModel
import Foundation
import Primitives
import TestSupport
import Testing

/// With a daemon and without: which storage a command uses, and what it reports if there is none.
@Suite(.serialized, .timeLimit(.minutes(2))) struct StorageModeTests {
  private let folder: TemporaryFolder
  private let nobody: [String: String]
  private let absent = "sha1://" + String(repeating: "0", count: 40)

  init() throws {
    folder = try TemporaryFolder()
    nobody = ["HOME": folder.path, "PATH": "/usr/bin:/bin", "KACHERY_P2P_API_PORT": "1"]
  }

  private func call(
    _ arguments: String..., adding variables: [String: String], to base: [String: String]? = nil, input: String? = nil
  ) throws -> (code: Int32, output: String, errors: String) {
    let environment = (base ?? nobody).merging(variables) { _, new in new }
    return try run("kachery", arguments, in: folder.path, environment: environment, input: input)
  }

  private func stored(_ text: String, in variables: [String: String]) throws -> String {
    let stored = try call("store", "-", adding: variables, input: text)
    #expect(stored.code == 0, "\(stored)")
    return stored.output.trimmingCharacters(in: .newlines)
  }

  @Test(arguments: ["KACHERY_OFFLINE_STORAGE_DIR", "KACHERY_STORAGE_DIR"])
  func aDirectoryIsEnough(variable: String) throws {
    let directory = [variable: folder.path("alone")]
    let uri = try stored("abc", in: directory)
    #expect(try call("cat", uri, adding: directory).output == "abc")
    let missing = try call("load", absent, adding: directory)
    #expect(missing.code == 3)
    #expect(missing.errors.contains("no daemon is running to ask other nodes"))
  }

  @Test func withoutEitherTheMessageSaysWhatToDo() throws {
    for command in [["store", "-"], ["load", absent], ["cat", absent], ["ls"], ["load", absent, absent]] {
      let failed = try run("kachery", command, in: folder.path, environment: nobody)
      #expect(failed.code == 4)
      #expect(failed.errors.contains("kachery-p2p-start-daemon"))
      #expect(failed.errors.contains("KACHERY_OFFLINE_STORAGE_DIR"))
      #expect(failed.output.isEmpty)
    }
  }

  @Test func offlineIsOfflineAlsoBesideADaemon() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    let online = try call("store", "-", adding: [:], to: daemon.environment, input: "online")
    let uri = online.output.trimmingCharacters(in: .newlines)
    let offline = ["KACHERY_OFFLINE_STORAGE_DIR": folder.path("alone")]
    let own = try stored("offline", in: daemon.environment.merging(offline) { _, new in new })
    #expect(try call("load", uri, adding: offline, to: daemon.environment).code == 3)
    #expect(try call("load", own, adding: [:], to: daemon.environment).code == 3)
    #expect(try call("cat", own, adding: offline, to: daemon.environment).output == "offline")
  }

  @Test func anotherDirectoryThanTheDaemonsIsRefused() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    let other = try RunningDaemon(in: folder.path("other"), [])
    for directory in [other.storage, folder.path("nothing")] {
      let refused = try call("load", absent, adding: ["KACHERY_STORAGE_DIR": directory], to: daemon.environment)
      #expect(refused.code == 1)
      #expect(refused.errors.contains(directory) && refused.errors.contains("KACHERY_STORAGE_DIR"))
    }
    // Another path to the same directory is the same directory.
    try FileManager.default.createSymbolicLink(atPath: folder.path("way"), withDestinationPath: daemon.storage)
    for directory in [folder.path("way"), daemon.storage + "/", "node/storage"] {
      #expect(
        try call("store", "-", adding: ["KACHERY_STORAGE_DIR": directory], to: daemon.environment, input: "x").code == 0
      )
    }
  }

  /// A user who mistypes a name gets an error, and no new folder is created.
  @Test func aDirectoryIsMadeByStoringOnly() throws {
    let mistyped = ["KACHERY_OFFLINE_STORAGE_DIR": folder.path("mistyped")]
    for command in [["load", absent], ["ls"], ["du"], ["verify"], ["gc"], ["cat", absent]] {
      let failed = try run(
        "kachery", command, in: folder.path, environment: nobody.merging(mistyped) { _, new in new })
      #expect(failed.code == 3)
      #expect(failed.errors.contains("KACHERY_OFFLINE_STORAGE_DIR"))
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path("mistyped")))
    _ = try stored("x", in: mistyped)
    #expect(FileManager.default.fileExists(atPath: folder.path("mistyped")))
  }

  /// Permission to read the directory is sufficient for the files in it; other files need the daemon.
  @Test func usersWithoutDaemonAccessMayReadItsDirectory() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), [])
    let uri = try call("store", "-", adding: [:], to: daemon.environment, input: "abc")
      .output.trimmingCharacters(in: .newlines)
    // As for a user outside the group.
    for name in ["client-auth", APIVersion.socketName] {
      try FileManager.default.removeItem(atPath: "\(daemon.storage)/\(name)")
    }
    #expect(try call("cat", uri, adding: [:], to: daemon.environment).output == "abc")
    #expect(try call("cat", uri, "--start", "1", adding: [:], to: daemon.environment).output == "bc")
    #expect(try call("load", uri, uri, adding: [:], to: daemon.environment).code == 0)
    #expect(try call("load", uri, "--dest", "copy", adding: [:], to: daemon.environment).code == 0)
    let missing = try call("load", absent, adding: [:], to: daemon.environment)
    #expect(missing.code == 1)
    #expect(missing.errors.contains("--auth-group"))
    #expect(try call("store", "-", adding: [:], to: daemon.environment, input: "x").code == 1)
  }

  @Test func aWrongVariableIsNamed() throws {
    for (variable, value) in [
      ("KACHERY_P2P_API_PORT", "abc"), ("KACHERY_P2P_API_PORT", "0"), ("KACHERY_P2P_API_HOST", "no.such.host.invalid"),
      ("KACHERY_API_CERTIFICATE_FILE", "/nowhere/certificate.pem"), ("KACHERY_API_TOKEN_FILE", "/nowhere/token"),
    ] {
      let failed = try call("load", absent, adding: [variable: value])
      #expect([1, 4].contains(failed.code))
      #expect(failed.errors.contains(variable == "KACHERY_API_TOKEN_FILE" ? "token" : variable), "\(failed)")
    }
  }
}
