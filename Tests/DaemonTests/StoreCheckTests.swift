import ContentStore
import Diagnostics
import EventLoop
import Files
import Primitives
import TestSupport
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct StoreCheckTests {
  let folder: TemporaryFolder
  let store: ContentStore
  let check = StoreCheck()
  let cancellation = CancellationToken()
  let loop: EventLoop

  init() throws {
    folder = try TemporaryFolder()
    store = try ContentStore(directory: folder.path("store"), log: .disabled)
    loop = try EventLoop(name: "check")
  }

  private func begin() -> StoreCheck.Messages { check.begin(store, only: nil, loop: loop, cancellation: cancellation) }

  private func all(_ messages: StoreCheck.Messages) async throws -> [JSONValue] {
    var all: [JSONValue] = []
    for try await message in messages { all.append(message) }
    return all
  }

  /// More events than the queue holds: the check waits for its client and loses none, and no second check can start.
  @Test func aSlowClientGetsEverythingAndASecondOneIsRefused() async throws {
    try FileSystem.createFolder(folder.path("store/sha1"), permissions: 0o755)
    for number in 0..<1_500 { try folder.write("store/sha1/foreign \(number)", "x") }
    let messages = begin()
    let error = await #expect(throws: KacheryError.self) { _ = try await all(begin()) }
    #expect(error?.code == .alreadyRunning)
    let told = try await all(messages)
    #expect(told.filter { $0["type"]?.string == "foreign" }.count == 1_500)
    #expect(told.last?["type"]?.string == "finished")
    #expect(told.last?["foreign"]?.integer == 1_500)
    #expect(try await all(begin()).last?["type"]?.string == "finished")
  }

  @Test func aNodeThatStopsEndsTheCheck() async throws {
    _ = try store.store(path: try folder.write("file", "abc"))
    cancellation.cancel()
    let error = await #expect(throws: KacheryError.self) { _ = try await all(begin()) }
    #expect(error?.code == .cancelled)
  }
}
