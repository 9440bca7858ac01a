import Crypto
import Foundation
import HTTP
import Primitives
import Synchronization
import TestSupport
import Testing

/// `kachery backup` of a running daemon, and the node that `kachery restore` makes of it.
@Suite(.serialized, .timeLimit(.minutes(2))) struct NodeBackupTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func theRestoredNodeIsTheSame() async throws { try await onOwnThread { try compareAfterRestoring() } }

  private func compareAfterRestoring() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path("node/storage"), withIntermediateDirectories: true)
    try Data("limitUp: 50\n".utf8).write(to: URL(filePath: folder.path("node/storage/kachery.yaml")))
    let node = try RunningDaemon(in: folder.path("node"), ["--channel", "lab-5f2"])
    let main = try node.createFeed(of: 5)
    let other = SubfeedKey(main.feed, SubfeedHash(ContentHash.of(Array("other".utf8))))
    try append(3, to: other, on: node)
    _ = try node.post("/mutable/set", ["key": ["a": 1], "value": ["b": [15, "ü"]], "update": true])
    let stored = try folder.call("kachery-store", [folder.file("file", bytes: 1_000)], in: node.environment).output
    let uri = stored.trimmingCharacters(in: .whitespacesAndNewlines)
    try folder.call("kachery", ["pin", uri], in: node.environment)

    let file = folder.path("lab.backup")
    let isWriting = Mutex(true)
    let (writing, request) = (DispatchGroup(), Self.appending(2, to: main, on: node))
    writing.enter()
    Thread.detachNewThread {
      while isWriting.withLock({ $0 }) { _ = try? HTTPClient.fetch(request, limit: 1 << 16) }
      writing.leave()
    }
    usleep(50_000)
    let shown = try folder.call("kachery", ["backup", file], in: node.environment)
    isWriting.withLock { $0 = false }
    #expect(writing.wait(timeout: .now() + 30) == .success)
    #expect(shown.output.contains("1 feed, 2 subfeeds") && shown.output.contains("1 joined"), "\(shown)")
    #expect(shown.errors.contains("private keys"))
    #expect(try permissions(file) == 0o600)
    try folder.call("kachery", ["backup", file], in: node.environment, code: 2)
    let listed = try runProgram("/usr/bin/tar", ["tf", file], in: folder.path, environment: node.environment)
    #expect(listed.code == 0 && listed.output.hasPrefix("manifest.json\nprivate.pem\n"), "\(listed)")

    let id = try node.nodeID
    let (all, others) = (try messages(of: main, on: node), try messages(of: other, on: node))
    let settings = try config(node.environment)
    try folder.call("kachery", ["restore", file, "--into-existing"], in: node.environment, code: 1)
    #expect(node.stop() == 0)
    let environment = [
      "HOME": folder.path("copy"), "KACHERY_STORAGE_DIR": folder.path("copy/storage"), "PATH": "/usr/bin:/bin",
    ]
    let restored = try folder.call("kachery", ["restore", file], in: environment)
    #expect(restored.errors.contains("Stop the old node for good"), "\(restored)")

    let copy = try RunningDaemon(in: folder.path("copy"), [])
    #expect(try copy.nodeID == id)
    let kept = try messages(of: main, on: copy)
    #expect(kept.count >= 5 && kept.count <= all.count && !kept.count.isMultiple(of: 2))
    #expect(kept == Array(all.prefix(kept.count)))
    #expect(try messages(of: other, on: copy) == others)
    #expect(try copy.post("/mutable/get", ["key": ["a": 1]])["value"] == ["b": [15, "ü"]])
    #expect(try folder.call("kachery", ["channel", "list"], in: copy.environment).output.contains("lab-5f2"))
    #expect(try config(copy.environment) == settings && settings.contains("50"))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: "\(copy.storage)/kachery-node/pins")
        == FileManager.default.contentsOfDirectory(atPath: "\(node.storage)/kachery-node/pins"))
    try append(1, to: main, on: copy)
    #expect(try messages(of: main, on: copy).count == kept.count + 1)
    #expect(copy.stop() == 0)
  }

  private func permissions(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }

  /// The line of a setting of `kachery.yaml`.
  private func config(_ environment: [String: String]) throws -> String {
    let shown = try folder.call("kachery", ["config", "show"], in: environment).output
    return shown.split(separator: "\n").filter { $0.hasPrefix("limitUp ") }.joined()
  }

  private static func appending(_ count: Int, to key: SubfeedKey, on node: RunningDaemon) -> HTTPRequest {
    node.request(
      "/feed/appendMessages",
      [
        "feedId": .string(key.feed.hex), "subfeedHash": .string(key.subfeed.hex),
        "messages": .array((0..<count).map { ["n": .integer(Int64($0))] }),
      ])
  }

  private func append(_ count: Int, to key: SubfeedKey, on node: RunningDaemon) throws {
    let (_, answer) = try HTTPClient.fetch(Self.appending(count, to: key, on: node), limit: 1 << 16)
    #expect(String(decoding: answer, as: UTF8.self) == #"{"success":true}"#)
  }

  /// The messages of a subfeed. The feed has signed each, and each refers to the previous one.
  private func messages(of key: SubfeedKey, on node: RunningDaemon) throws -> [JSONValue] {
    let watch: JSONValue = [
      "feedId": .string(key.feed.hex), "subfeedHash": .string(key.subfeed.hex), "position": 0, "channelName": "*local*",
    ]
    let request = node.request(
      "/feed/watchForNewMessages", ["subfeedWatches": ["log": watch], "waitMsec": 0, "signed": true])
    let answer = try JSONParser.parse(try HTTPClient.fetch(request, limit: 256 << 20).body)
    let messages = answer["messages"]?["log"]?.array ?? []
    var previous: String?
    for (number, message) in messages.enumerated() {
      let body = try #require(message["body"])
      let signature = try #require(message["signature"]?.string)
      let bytes = try #require(Hex.decode(signature))
      #expect(try #require(NodeID(bytes: key.feed.bytes)).verify(signature: bytes, of: CanonicalJSON.encode(body)))
      #expect(body["messageNumber"]?.integer == Int64(number) && body["previousSignature"]?.string == previous)
      previous = signature
    }
    return messages
  }
}
