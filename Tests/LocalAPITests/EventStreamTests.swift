import APIModel
import Diagnostics
import EventLoop
import Foundation
import LocalAPI
import Primitives
import TestSupport
import Testing

/// `/v1/events` of a server: rights, tokens, slow readers, and its end.
@Suite(.timeLimit(.minutes(1))) struct EventStreamTests {
  private struct Service: Sendable {
    let server: LocalAPIServer
    let port: UInt16
    let token: String

    /// A connection on which the stream was requested.
    func stream(_ query: String, headers: String = "") throws -> RawConnection {
      let connection = try #require(RawConnection(port: port))
      connection.send("GET /v1/events\(query) HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n")
      return connection
    }
  }

  private func withService(_ clients: @escaping @Sendable (Service) throws -> Void) async throws {
    let folder = try TemporaryFolder()
    let loop = try EventLoop(name: "api")
    let node = try FakeNode(loop: loop)
    _ = try await node.setMutable("_other_client_auth_codes", ["page"], update: true)
    let server = try LocalAPIServer(
      loop: loop, node: node, host: "127.0.0.1", port: 0,
      access: .storageDirectory(try ClientToken(path: folder.path("client-auth"))), policy: AccessPolicy(),
      log: .disabled)
    try await server.start()
    let token = try String(contentsOfFile: folder.path("client-auth"), encoding: .utf8)
    let service = Service(server: server, port: await server.port, token: token)
    let result: Result<Void, any Error>
    do { result = .success(try await onOwnThread { try clients(service) }) } catch { result = .failure(error) }
    await server.stop()
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    try result.get()
  }

  @Test func theFullTokenShowsEverything() async throws {
    try await withService { service in
      let header = "\(APIVersion.tokenHeader): \(service.token)\r\n"
      let text = try service.stream("", headers: header).receive(until: "event: channels")
      #expect(text.hasPrefix("HTTP/1.1 200") && text.contains("text/event-stream"))
      for part in [
        "event: session\ndata: {", "\"/halt\"", "\"readsChannels\":true", "event: status", "\"label\":\"fake & more\"",
        "\"gateway\":{\"address\":\"127.0.0.1:8080\",\"channels\":[{\"name\":null,\"isServed\":true}]}",
        "event: transfers", "\"bytes\":5,\"bytesTotal\":10", "event: peers", "event: notices",
      ] {
        #expect(text.contains(part), "\(part)")
      }
      #expect(!text.contains("event: token"), "it is sent on request only")
      // The status changes each second, so that a silent stream is a lost one.
      let stream = try service.stream("?token=\(service.token)")
      _ = stream.receive(until: "event: status")
      #expect(stream.receive(until: "event: status").contains("event: status"))
    }
  }

  @Test func aReadingTokenShowsNoChannelsAndNoToken() async throws {
    try await withService { service in
      let stream = try service.stream("?token=page&renew=token")
      // The channels would come with the first look.
      let text = stream.receive(until: "event: status") + stream.receive(until: "event: status")
      #expect(text.contains("event: peers") && text.contains("\"readsChannels\":false"))
      for secret in ["event: token", service.token, "event: channels", "/v1/store/pin", "/halt", "<b>lab</b>"] {
        #expect(!text.contains(secret), "\(secret)")
      }
    }
  }

  @Test func theFullTokenIsRenewedForThoseWhoAsk() async throws {
    try await withService { service in
      let text = try service.stream("?token=\(service.token)&renew=token").receive(until: "event: token\ndata: {")
      #expect(text.contains("event: token"))
    }
  }

  @Test(arguments: ["", "?token=", "?token=wrong"])
  func withoutATokenThereIsNothing(_ query: String) async throws {
    try await withService { service in
      let answer = try service.stream(query).receive(until: "\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 403"))
    }
  }

  @Test func streamsEndWithTheDaemon() async throws {
    try await withService { service in
      let reading = try service.stream("?token=\(service.token)")
      _ = reading.receive(until: "event: status")
      let idle = try service.stream("?token=\(service.token)")
      Task { await service.server.stop() }
      #expect(reading.receiveToEnd() != nil && idle.receiveToEnd() != nil)
    }
  }
}
