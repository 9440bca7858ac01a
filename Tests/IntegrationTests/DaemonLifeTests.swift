import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// A daemon's life from start to end, and the starts that it refuses.
@Suite(.serialized, .timeLimit(.minutes(2))) struct DaemonLifeTests {
  private let folder: TemporaryFolder
  private let daemon: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    daemon = try RunningDaemon(in: folder.path("node"), [])
  }

  private func status(_ request: HTTPRequest) throws -> Int { try HTTPClient.fetch(request, limit: 1 << 20).status }

  @Test func theIdentityOutlivesARestart() throws {
    let id = try daemon.nodeID
    #expect(try String(contentsOfFile: "\(daemon.storage)/kachery-node-id", encoding: .utf8) == id.hex)
    #expect(daemon.stop() == 0)
    try daemon.start()
    #expect(try daemon.nodeID == id)
    daemon.kill()
    try daemon.start()
    #expect(try daemon.nodeID == id)
  }

  @Test func filesOfTheIdentityArePrivate() throws {
    let manager = FileManager.default
    let key = try manager.attributesOfItem(atPath: "\(daemon.folder)/config/private.pem")
    #expect((key[.posixPermissions] as? Int) == 0o600)
    let token = try manager.attributesOfItem(atPath: "\(daemon.storage)/client-auth")
    #expect((token[.posixPermissions] as? Int) == 0o640)
  }

  @Test func aSecondDaemonOnTheSameDirectoryIsRefused() throws {
    let holder = "in use by process \(daemon.processIdentifier)"
    #expect {
      _ = try RunningDaemon(in: daemon.folder, [])
    } throws: {
      ($0 as? KacheryError)?.message.contains(holder) == true
    }
    // Nor does a daemon with the first one's identity and another directory.
    #expect {
      _ = try RunningDaemon(in: folder.path("other"), [], configuration: "\(daemon.folder)/config")
    } throws: {
      ($0 as? KacheryError)?.message.contains(holder) == true
    }
    _ = try daemon.nodeID
  }

  @Test func aSecondDaemonOnTheSamePortIsRefused() throws {
    let (id, storage) = (try daemon.nodeID, daemon.storage)
    #expect {
      _ = try RunningDaemon(in: folder.path("other"), [], apiPort: daemon.apiPort)
    } throws: {
      let message = ($0 as? KacheryError)?.message ?? ""
      return message.contains(id.short) && message.contains(storage) && message.contains("KACHERY_P2P_API_PORT")
    }
    #expect {
      _ = try RunningDaemon(in: folder.path("third"), ["--port", "\(daemon.linkPort)"])
    } throws: {
      ($0 as? KacheryError)?.message.contains("\(daemon.linkPort)") == true
    }
    _ = try daemon.nodeID
    // The refused starts left nothing behind that prevents a start elsewhere.
    let other = try RunningDaemon(in: folder.path("other"), [])
    #expect(try other.nodeID != id)
  }

  /// Routers go on leading to a node that has started again.
  @Test func aChosenPortOutlivesARestart() throws {
    let port = daemon.linkPort
    #expect(daemon.stop() == 0)
    try daemon.start()
    #expect(daemon.linkPort == port)
    daemon.kill()
    let other = try RunningDaemon(in: folder.path("other"), ["--port", "\(port)"])
    try daemon.start()
    let second = daemon.linkPort
    #expect(second != port)
    #expect(other.stop() == 0)
    #expect(daemon.stop() == 0)
    for damage in ["", "0", "70000", "x\n", String(repeating: "1", count: 100)] {
      try Data(damage.utf8).write(to: URL(filePath: "\(daemon.storage)/kachery-node/port"))
      try daemon.start()
      let kept = try String(contentsOfFile: "\(daemon.storage)/kachery-node/port", encoding: .utf8)
      #expect(kept == "\(daemon.linkPort)\n")
      #expect(daemon.stop() == 0)
    }
  }

  @Test func aKeyThatOthersCanReadIsRefused() throws {
    #expect(daemon.stop() == 0)
    chmod("\(daemon.folder)/config/private.pem", 0o644)
    #expect { try daemon.start() } throws: { ($0 as? KacheryError)?.message.contains("chmod 600") == true }
    // Those who look for the daemon learn why there is none, until there is one again.
    let status = try folder.call("kachery", ["daemon", "status"], in: daemon.environment, code: 4)
    #expect(status.errors.contains("Its last start,") && status.errors.contains("chmod 600"), "\(status)")
    chmod("\(daemon.folder)/config/private.pem", 0o600)
    try daemon.start()
    let running = try folder.call("kachery", ["daemon", "status"], in: daemon.environment).output
    #expect(running.contains("Label:             test\n") && running.contains("Log: "), "\(running)")
    let json = try JSONParser.parse(
      folder.call("kachery", ["daemon", "status", "--json"], in: daemon.environment).output)
    #expect(json["nodeLabel"] == "test" && json["linkedNodes"] == [])
    #expect(daemon.stop() == 0)
    let missing = try folder.call("kachery", ["daemon", "status"], in: daemon.environment, code: 4)
    #expect(missing.errors.contains("Start one with"), "\(missing)")
  }

  @Test func haltEndsItInOrder() throws {
    var request = HTTPRequest("GET", "http://127.0.0.1:\(daemon.apiPort)/halt")
    request.headers = [(APIVersion.tokenHeader, daemon.token)]
    let (status, body) = try HTTPClient.fetch(request, limit: 1 << 10)
    #expect(status == 200)
    #expect(try JSONParser.parse(body) == ["success": true])
    #expect(daemon.stop() == 0)
  }

  /// Several signals, or an impatient second one, end the daemon like a single signal.
  @Test func moreSignalsDoNotCutTheEndOff() throws {
    daemon.signal(SIGTERM)
    for _ in 0..<3_000 where daemon.isRunning {
      usleep(1_000)
      daemon.signal(SIGTERM)
      daemon.signal(SIGINT)
    }
    #expect(daemon.stop() == 0)
  }

  @Test func onlyClientsWithTheTokenHaveAccess() throws {
    var request = daemon.request("/mutable/get", ["key": "x"])
    #expect(try status(request) == 200)
    request.headers = [(APIVersion.tokenHeader, "wrong")]
    #expect(try status(request) == 403)
    request.headers = []
    #expect(try status(request) == 403)
  }

  /// A page from elsewhere that resolves its own name to this machine must not gain access.
  @Test func aForeignHostNameIsRefused() throws {
    var request = daemon.request("/mutable/get", ["key": "x"])
    request.headers.append(("Host", "evil.example.org"))
    #expect(try status(request) == 403)
  }

  @Test func anUploadIsStoredByItsHash() throws {
    var request = daemon.request("/store", [:])
    request.body = .bytes(Array("abc".utf8))
    let reply = try StoreReply(json: try JSONParser.parse(try HTTPClient.fetch(request, limit: 1 << 16).body))
    #expect(reply.hash.hex == "a9993e364706816aba3e25717850c26c9cd0d89d")
    let download = daemon.request("/downloadFileData", ["fileKey": ["sha1": .string(reply.hash.hex)], "startByte": 1])
    #expect(try HTTPClient.fetch(download, limit: 100).body == Array("bc".utf8))
  }

  @Test func aMutableKeepsItsNumbersAndItsKeyIsItsOwn() throws {
    let value = try JSONParser.parse("[1.0,-0.0,9007199254740993,123456789012345678901234567890]")
    #expect(try daemon.post("/mutable/set", ["key": "numbers", "value": value])["success"] == true)
    #expect(try daemon.post("/mutable/get", ["key": "numbers"])["value"] == value)
    #expect(try daemon.post("/mutable/set", ["key": 9_007_199_254_740_992, "value": 1])["success"] == true)
    let (status, body) = try HTTPClient.fetch(
      daemon.request("/mutable/get", ["key": ["n": 9_007_199_254_740_993]]), limit: 1 << 20)
    #expect(status == 400)
    #expect(String(decoding: body, as: UTF8.self).contains("9007199254740993 at $.n "))
  }

  @Test func mutablesAreKept() throws {
    let key: JSONValue = ["name": "é", "n": 1]
    #expect(try daemon.post("/mutable/get", ["key": key]) == ["success": true, "found": false, "value": ""])
    #expect(try daemon.post("/mutable/set", ["key": key, "value": [1, 2]])["success"] == true)
    #expect(try daemon.post("/mutable/set", ["key": key, "value": 3, "update": false])["success"] == false)
    daemon.kill()
    try daemon.start()
    #expect(try daemon.post("/mutable/get", ["key": key])["value"] == [1, 2])
    #expect(try daemon.post("/mutable/delete", ["key": key])["success"] == true)
    #expect(try daemon.post("/mutable/get", ["key": key])["found"] == false)
  }

  @Test func theStatusPageAndTheCountersAreThere() throws {
    var request = HTTPRequest("GET", "http://127.0.0.1:\(daemon.apiPort)/")
    request.headers = [(APIVersion.tokenHeader, daemon.token)]
    let page = String(decoding: try HTTPClient.fetch(request, limit: 1 << 20).body, as: UTF8.self)
    #expect(page.contains(try daemon.nodeID.hex))
    request.url = "http://127.0.0.1:\(daemon.apiPort)/metrics"
    let metrics = String(decoding: try HTTPClient.fetch(request, limit: 1 << 20).body, as: UTF8.self)
    #expect(metrics.contains("# TYPE kachery_links gauge\nkachery_links 0\n"))
  }
}
