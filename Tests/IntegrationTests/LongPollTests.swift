import APIModel
import Files
import Foundation
import Glibc
import Primitives
import TestSupport
import Testing

/// Thousands of clients that wait for messages on one daemon.
@Suite(.timeLimit(.minutes(2))) struct LongPollTests {
  private static let clients = 2_000
  /// Most memory in bytes per waiting client, including its connection and its request.
  private static let bytesEach = 64 << 10
  private static let subfeed = String(repeating: "cd", count: 20)

  @Test func thousandsWaitAtTheCostOfMemoryOnly() async throws {
    #expect(FileSystem.raiseDescriptorLimit() > Self.clients + 100)
    let folder = try TemporaryFolder()
    try await blocking {
      let daemon = try RunningDaemon(in: folder.path("node"), [])
      let feed = try #require(try daemon.post("/feed/createFeed", [:])["feedId"]?.string)
      let before = try Self.memory(of: daemon)
      let request = Self.request(feed, daemon)
      var sockets: [Int32] = []
      defer { for socket in sockets { close(socket) } }
      for _ in 0..<Self.clients {
        let socket = try Self.connect(to: daemon.apiPort)
        sockets.append(socket)
        #expect(request.withUnsafeBytes { write(socket, $0.baseAddress, $0.count) } == request.count)
      }
      // The daemon answers other clients while these wait; by now it has received every earlier request.
      #expect(try daemon.post("/feed/getNumLocalMessages", Self.names(feed))["numMessages"] == 0)
      let waiting = try Self.memory(of: daemon)
      // A sanitizer's own memory counts as well.
      if RunningDaemon.sanitizerOptions.isEmpty {
        #expect(waiting - before < Self.clients * Self.bytesEach, "\((waiting - before) / Self.clients) bytes each")
      }
      #expect(try daemon.post("/feed/appendMessages", Self.appending(feed))["success"] == true)
      let answers = sockets.count { socket in Self.answer(on: socket).contains(#"{"w":[{"n":0}]}"#) }
      #expect(answers == Self.clients)
      #expect(daemon.stop() == 0)
    }
  }

  private static func names(_ feed: String) -> JSONValue {
    ["feedId": .string(feed), "subfeedHash": .string(subfeed)]
  }

  private static func appending(_ feed: String) -> JSONValue {
    ["feedId": .string(feed), "subfeedHash": .string(subfeed), "messages": [["n": 0]]]
  }

  private static func request(_ feed: String, _ daemon: RunningDaemon) -> [UInt8] {
    let watch: JSONValue = ["feedId": .string(feed), "subfeedHash": .string(subfeed), "position": 0]
    let body: JSONValue = ["subfeedWatches": ["w": watch], "waitMsec": 60_000]
    let head =
      "POST /feed/watchForNewMessages HTTP/1.1\r\nHost: localhost\r\n\(APIVersion.tokenHeader): \(daemon.token)\r\n"
      + "Content-Length: \(body.compactBytes.count)\r\n\r\n"
    return Array(head.utf8) + body.compactBytes
  }

  /// Bytes of a daemon's resident memory.
  private static func memory(of daemon: RunningDaemon) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(daemon.processIdentifier)/status", encoding: .utf8)
    return 1_024 * (try #require(status.firstMatch(of: /VmRSS:\s+(\d+) kB/).flatMap { Int($0.1) }))
  }

  private static func connect(to port: UInt16) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(result == 0, "errno \(errno)")
    var patience = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    return descriptor
  }

  private static func answer(on socket: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    var answer = ""
    while !answer.hasSuffix("}}") {
      let count = read(socket, &bytes, bytes.count)
      guard count > 0 else { return answer }
      answer += String(decoding: bytes.prefix(count), as: UTF8.self)
    }
    return answer
  }
}
