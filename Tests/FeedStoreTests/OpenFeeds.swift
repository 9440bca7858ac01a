import Crypto
import FeedStore
import Primitives

/// A store of feeds whose writes can be awaited.
struct OpenFeeds: Sendable {
  let feeds: FeedStore
  let mutables: MutableTable

  init(_ folder: String) throws {
    mutables = try MutableTable(directory: folder)
    feeds = try FeedStore(directory: folder, mutables: mutables)
  }

  func close() {
    feeds.close()
    mutables.close()
  }

  func create(_ name: String?) async throws -> FeedID { try await written { feeds.create(named: name, then: $0) } }

  func delete(_ feed: FeedID) async throws -> Bool { try await written { feeds.delete(feed, then: $0) } }

  func setRules(_ rules: AccessRules, of key: SubfeedKey) async throws {
    try await written { feeds.setRules(rules, of: key, then: $0) }
  }

  @discardableResult
  func append(_ messages: [JSONObject], to key: SubfeedKey, at time: WallTime) async throws -> [SignedMessage] {
    try await written { feeds.append(messages, to: key, at: time, then: $0) }
  }

  func admit(
    _ messages: [SignedMessage], _ statement: SubfeedStatement, to key: SubfeedKey
  ) async throws -> MessageAdmission {
    try await written { feeds.admit(messages, statement, to: key, then: $0) }
  }

  private func written<Outcome: Sendable>(
    _ begin: (@escaping @Sendable (Result<Outcome, KacheryError>) -> Void) -> Void
  ) async throws -> Outcome {
    try await withCheckedContinuation { continuation in begin { continuation.resume(returning: $0) } }.get()
  }
}
