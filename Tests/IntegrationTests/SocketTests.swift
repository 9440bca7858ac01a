import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// The Unix socket beside the port.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SocketTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func socket(_ daemon: RunningDaemon) -> String { "\(daemon.storage)/\(APIVersion.socketName)" }

  private func status(_ daemon: RunningDaemon, as host: String = "localhost") throws -> Int {
    var request = HTTPRequest("POST", "http://\(host)/mutable/get")
    request.unixSocket = socket(daemon)
    request.body = .bytes(Array(#"{"key":"x"}"#.utf8))
    return try HTTPClient.fetch(request, limit: 1 << 16).status
  }

  /// The kernel accepts 107 bytes for the path of a socket; the path of a storage directory may be longer.
  @Test(arguments: ["short", String(repeating: "a-long-name/", count: 20) + "end"])
  func theUserOfTheDaemonNeedsNoToken(place: String) throws {
    let daemon = try RunningDaemon(in: folder.path(place), ["--nomulticast"])
    #expect(try status(daemon) == 200)
  }

  @Test func whatADeadDaemonLeftIsReplaced() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
    daemon.kill()
    #expect(FileManager.default.fileExists(atPath: socket(daemon)))
    #expect { try status(daemon) } throws: { ($0 as? KacheryError)?.code == .disconnected }
    try daemon.start()
    #expect(try status(daemon) == 200)
    #expect(daemon.stop() == 0)
    #expect(!FileManager.default.fileExists(atPath: socket(daemon)))
  }

  /// Another file of that name is left alone; the port works as before.
  @Test func whereNoSocketCanBeThePortServes() throws {
    let place = folder.path("node/storage/\(APIVersion.socketName)")
    try FileManager.default.createDirectory(atPath: "\(place)/something", withIntermediateDirectories: true)
    let daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
    #expect(try daemon.post("/mutable/get", ["key": "x"])["success"] == true)
    let stored = try run("kachery-store", ["/etc/hostname"], in: folder.path, environment: daemon.environment)
    #expect(stored.code == 0, "\(stored.errors)")
    #expect(FileManager.default.fileExists(atPath: "\(place)/something"))
    #expect(try String(contentsOfFile: folder.path("node/daemon.log"), encoding: .utf8).contains("move it away"))
  }

  /// A command that knows only the directory finds its daemon there, on any port.
  @Test func theDirectoryLeadsToItsDaemon() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
    let variables = ["KACHERY_STORAGE_DIR": daemon.storage, "HOME": folder.path, "PATH": "/usr/bin:/bin"]
    // Without the token's file, so that only the socket can grant access.
    try FileManager.default.removeItem(atPath: "\(daemon.storage)/client-auth")
    let status = try run("kachery", ["daemon", "status"], in: folder.path, environment: variables)
    #expect(status.output.contains(":\(daemon.apiPort)"), "\(status)")
    let info = try run("kachery-info", [], in: folder.path, environment: variables)
    #expect(info.output.contains("You have access to this daemon"), "\(info)")
    let stored = try run("kachery-store", ["/etc/hostname"], in: folder.path, environment: daemon.environment)
    #expect(stored.code == 0, "\(stored.errors)")
    #expect(try run("kachery-p2p-stop-daemon", [], in: folder.path, environment: variables).code == 0)
    #expect(daemon.stop() == 0)
  }

  /// A page from elsewhere must not gain access if a user forwards a port to the socket.
  @Test func aForeignHostNameIsRefused() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
    #expect(try status(daemon, as: "evil.example.org") == 403)
    #expect(try status(daemon, as: "localhost:8080") == 200)
  }

  /// A client with an expired token is still admitted because of its user.
  @Test func anOldTokenDoesTheOwnerNoHarm() throws {
    let daemon = try RunningDaemon(in: folder.path("node"), ["--nomulticast"])
    var request = HTTPRequest("GET", "http://localhost/stats?format=json")
    request.unixSocket = socket(daemon)
    request.headers = [(APIVersion.tokenHeader, "wrong")]
    #expect(try HTTPClient.fetch(request, limit: 1 << 20).status == 200)
  }
}
