import EventLoop
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

@testable import LocalAPI

/// `/healthz` and `/readyz`, and the settings that only the owner sees.
@Suite struct HealthTests {
  /// What a server answers to these requests, each with its headers.
  private func answers(
    _ access: APIAccess? = nil, isReady: Bool = true, to requests: [(path: String, headers: [(String, String)])]
  ) async throws -> [(status: Int, body: String)] {
    let folder = try TemporaryFolder()
    let loop = try EventLoop(name: "api")
    let node = try FakeNode(loop: loop)
    await node.setReady(isReady)
    let server = try LocalAPIServer(
      loop: loop, node: node, host: "127.0.0.1", port: 0,
      access: access ?? .storageDirectory(try ClientToken(path: folder.path("client-auth"))), policy: AccessPolicy(),
      log: .disabled)
    try await server.start()
    let base = "http://127.0.0.1:\(await server.port)"
    let token = (try? String(contentsOfFile: folder.path("client-auth"), encoding: .utf8)) ?? ""
    let answers = try await onOwnThread {
      try requests.map { path, headers in
        var request = HTTPRequest("GET", base + path)
        request.timeout = .seconds(20)
        request.headers = headers.map { ($0.0, $0.1 == "TOKEN" ? token : $0.1) }
        let (status, body) = try HTTPClient.fetch(request, limit: 1 << 20)
        return (status: status, body: String(decoding: body, as: UTF8.self))
      }
    }
    await server.stop()
    await loop.shutdown()
    return answers
  }

  @Test func noTokenIsNeededOnThisMachine() async throws {
    let fine = try await answers(to: [("/healthz", []), ("/readyz", [])])
    #expect(fine.map(\.status) == [200, 200] && fine.map(\.body) == ["ok\n", "ok\n"])
    let wrong = try await answers(isReady: false, to: [("/healthz", []), ("/readyz", [])])
    #expect(wrong.map(\.status) == [503, 503] && wrong.map(\.body) == ["not healthy\n", "not ready\n"])
    #expect(try await answers(to: [("/healthz", [("Host", "example.org")])]).map(\.status) == [403])
  }

  @Test func otherMachinesNeedTheirToken() async throws {
    let secret = "0123456789abcdef0123"
    let headers = [("Authorization", "Bearer \(secret)")]
    let answers = try await answers(
      .bearer(try BearerToken(secret)), to: [("/healthz", []), ("/readyz", headers), ("/v1/config", headers)])
    #expect(answers.map(\.status) == [403, 200, 403])
  }

  @Test func theSettingsAreForTheOwner() async throws {
    let answers = try await answers(to: [("/v1/config", []), ("/v1/config", [("KACHERY-CLIENT-AUTH-CODE", "TOKEN")])])
    #expect(answers.map(\.status) == [403, 200] && answers[1].body.contains("kachery.yaml"))
  }
}
