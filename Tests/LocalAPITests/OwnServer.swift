import EventLoop
import Foundation
import TestSupport

@testable import LocalAPI

/// A server for the tests' own user, and requests to it.
func withOwnServer(
  _ clients: @escaping @Sendable (_ base: String, _ token: String) throws -> Void
) async throws {
  let folder = try TemporaryFolder()
  let loop = try EventLoop(name: "api")
  let server = try LocalAPIServer(
    loop: loop, node: try FakeNode(loop: loop), host: "127.0.0.1", port: 0,
    access: .storageDirectory(try ClientToken(path: folder.path("client-auth"))), policy: AccessPolicy(),
    log: .disabled)
  try await server.start()
  let token = try String(contentsOfFile: folder.path("client-auth"), encoding: .utf8)
  let base = "http://127.0.0.1:\(await server.port)"
  let result: Result<Void, any Error>
  do { result = .success(try await onOwnThread { try clients(base, token) }) } catch { result = .failure(error) }
  await server.stop()
  await loop.shutdown()
  try result.get()
}
