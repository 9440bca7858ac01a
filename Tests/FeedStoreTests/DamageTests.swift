import Crypto
import Database
import FeedStore
import Foundation
import Primitives
import TestSupport
import Testing

/// Databases that were damaged or removed while the node runs.
@Suite struct DamageTests {
  private let folder: TemporaryFolder
  private let store: OpenFeeds
  private let time = WallTime(milliseconds: 1_700_000_000_000)

  init() throws {
    folder = try TemporaryFolder()
    store = try OpenFeeds(folder.path)
  }

  private func subfeed(_ count: Int) async throws -> SubfeedKey {
    let key = SubfeedKey(try await store.create(nil), try SubfeedHash(name: "s"))
    try await store.append((0..<count).map { ["n": .integer(Int64($0))] }, to: key, at: time)
    return key
  }

  /// Changes the text of a stored message as a failing disk would.
  private func alter(_ number: Int, _ change: (String) -> String) throws {
    let connection = try Connection(folder.path("feeds.db"), journal: .asFound)
    defer { connection.close() }
    let row = try connection.firstRow(
      "SELECT message FROM subfeedMessages WHERE position = ?", [.integer(Int64(number))])
    let text = try #require(row?[0].text)
    #expect(change(text) != text)
    try connection.execute(
      "UPDATE subfeedMessages SET message = ? WHERE position = ?", [.text(change(text)), .integer(Int64(number))])
  }

  /// The last case is another message of the same form: only its signature shows it.
  @Test(arguments: ["{", "3", "", nil])
  func aDamagedMessageIsNotRead(replacement: String?) async throws {
    let key = try await subfeed(6)
    try alter(3) { replacement ?? $0.replacing("\"n\":3", with: "\"n\":7") }
    #expect(try store.feeds.messages(of: key, from: 0).count == 3, "those before it")
    let error = #expect(throws: KacheryError.self) { try store.feeds.messages(of: key, from: 3) }
    #expect(error?.code == .storageFailed && error?.message.contains("message 3") == true)
    #expect(try store.feeds.messages(of: key, from: 4).count == 2)
    store.close()
  }

  /// A peer's message at the place of a damaged one is not taken for the same one.
  @Test func aDamagedMessageEqualsNoOther() async throws {
    let key = SubfeedKey(try await store.create(nil), try SubfeedHash(name: "s"))
    let signed = try await store.append([["n": 0], ["n": 1]], to: key, at: time)
    guard case .proven(let statement) = try store.feeds.proof(of: key) else {
      throw KacheryError(.internalError, "The subfeed has no statement.")
    }
    #expect(try await store.admit(signed, statement, to: key).count == 2)
    try alter(1) { _ in "{" }
    await #expect(throws: KacheryError.self) { _ = try await store.admit(signed, statement, to: key) }
    store.close()
  }

  @Test func withoutItsDirectoryNothingIsWritten() async throws {
    let key = try await subfeed(1)
    try FileManager.default.removeItem(atPath: folder.path("feeds.db"))
    try FileManager.default.removeItem(atPath: folder.path("mutables.db"))
    await #expect(throws: KacheryError.self) { try await store.append([["n": 1]], to: key, at: time) }
    await #expect(throws: KacheryError.self) { try await store.setRules(AccessRules(), of: key) }
    await #expect(throws: KacheryError.self) { _ = try await store.create("name") }
    await #expect(throws: KacheryError.self) { _ = try await store.delete(key.feed) }
    #expect(throws: KacheryError.self) { try store.mutables.set("key", 1) }
    #expect(throws: KacheryError.self) { try store.mutables.delete("key") }
    // Neither into a new file at the same place.
    try Data().write(to: URL(filePath: folder.path("mutables.db")))
    let error = #expect(throws: KacheryError.self) { try store.mutables.set("key", 1) }
    #expect(error?.code == .storageFailed)
    store.close()
  }
}
