import APIModel
import Diagnostics
import EventLoop
import Foundation
import LocalAPI
import Primitives
import TestSupport
import Testing

/// Nobody who may only read, or has no token at all, keeps the holder of the full token out.
@Suite(.timeLimit(.minutes(2))) struct ConnectionShareTests {
  private struct Service: Sendable {
    let port: UInt16
    let token: String

    func connect() throws -> RawConnection { try #require(RawConnection(port: port)) }

    /// A connection on which a stream was requested, and the status of its answer.
    func stream(_ token: String) throws -> (connection: RawConnection, status: String) {
      let connection = try connect()
      connection.send(
        "GET /v1/feeds/\(FakeNode.feed.hex)/notes/stream?token=\(token) HTTP/1.1\r\nHost: localhost\r\n\r\n")
      return (connection, String(connection.receive(until: "\r\n").dropFirst("HTTP/1.1 ".count).prefix(3)))
    }

    /// The status of a short request with the full token.
    func ask() throws -> String {
      let connection = try connect()
      let body = #"{"key":"k"}"#
      connection.send(
        "POST /mutable/get HTTP/1.1\r\nHost: localhost\r\n\(APIVersion.tokenHeader): \(token)\r\n"
          + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
      return String(connection.receive(until: "\r\n").dropFirst("HTTP/1.1 ".count).prefix(3))
    }
  }

  private func withService(connections: Int, _ clients: @escaping @Sendable (Service) throws -> Void) async throws {
    let folder = try TemporaryFolder()
    let loop = try EventLoop(name: "api")
    let node = try FakeNode(loop: loop)
    _ = try await node.setMutable("_other_client_auth_codes", ["page", "another"], update: true)
    let server = try LocalAPIServer(
      loop: loop, node: node, host: "127.0.0.1", port: 0,
      access: .storageDirectory(try ClientToken(path: folder.path("client-auth"))), connections: connections,
      policy: AccessPolicy(), log: .disabled)
    try await server.start()
    let token = try String(contentsOfFile: folder.path("client-auth"), encoding: .utf8)
    let service = Service(port: await server.port, token: token)
    let result: Result<Void, any Error>
    do { result = .success(try await onOwnThread { try clients(service) }) } catch { result = .failure(error) }
    await server.stop()
    await loop.shutdown()
    try result.get()
  }

  @Test func streamsOfReadingTokensLeaveRoom() async throws {
    try await withService(connections: 32) { service in
      let page = try (0..<40).map { _ in try service.stream("page") }
      #expect(page.count { $0.status == "200" } == 4, "an eighth of the connections for each token")
      #expect(page.count { $0.status == "503" } == 36)
      let another = try (0..<8).map { _ in try service.stream("another") }
      #expect(another.count { $0.status == "200" } == 4)
      #expect(try service.ask() == "200")
      #expect(try service.stream(service.token).status == "200")
      withExtendedLifetime((page, another)) {}
    }
  }

  @Test func streamsThatHaveEndedMakeRoom() async throws {
    try await withService(connections: 16) { service in
      do {
        let streams = try (0..<3).map { _ in try service.stream("page") }
        #expect(streams.map(\.status) == ["200", "200", "503"])
      }
      // The server notices within half a second that the clients have hung up.
      var status = ""
      for _ in 0..<200 where status != "200" {
        usleep(50_000)
        status = try service.stream("page").status
      }
      #expect(status == "200")
    }
  }

  @Test func theOwnersOwnStreamsLeaveRoomForShortRequests() async throws {
    try await withService(connections: 32) { service in
      let streams = try (0..<40).map { _ in try service.stream(service.token) }
      #expect(streams.count { $0.status == "200" } == 28)
      for _ in 0..<40 { #expect(try service.ask() == "200") }
      withExtendedLifetime(streams) {}
    }
  }

  @Test func silentConnectionsAndWrongTokensLockNobodyOut() async throws {
    try await withService(connections: 32) { service in
      var silent: [RawConnection] = []
      for index in 0..<300 {
        let connection = try service.connect()
        connection.send(
          ["", "GET /pro", "POST /store HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc"][index % 3])
        silent.append(connection)
        if index % 10 == 9 { #expect(try service.ask() == "200") }
      }
      #expect(silent[0].receiveToEnd() != nil)
    }
  }
}
