import Crypto
import Database
import FeedStore
import Primitives
import TestSupport
import Testing

/// The writers' statements with which message each subfeed begins, beside the messages in `feeds.db`.
@Suite struct StatementTests {
  let folder: TemporaryFolder
  let time = WallTime(milliseconds: 1_600_000_000_000)
  let writer: SigningKey
  let key: SubfeedKey
  let other: SubfeedKey

  init() throws {
    folder = try TemporaryFolder()
    writer = try SigningKey.generate()
    key = SubfeedKey(FeedID(key: writer.publicKey), try SubfeedHash(name: "main"))
    other = SubfeedKey(key.feed, try SubfeedHash(name: "other"))
  }

  private func statement(_ key: SubfeedKey, _ chain: [SignedMessage]) -> SubfeedStatement {
    SubfeedStatement(of: key, beginningWith: chain[0].signature, by: writer)
  }

  private func proven(_ store: OpenFeeds, _ key: SubfeedKey) throws -> SubfeedStatement? {
    if case .proven(let statement) = try store.feeds.proof(of: key) { statement } else { nil }
  }

  private func isUnproven(_ store: OpenFeeds) throws -> Bool {
    if case .unproven = try store.feeds.proof(of: key) { true } else { false }
  }

  /// Leaves the database as software that knows no statements does.
  private func forgetStatements() throws {
    let old = try Connection("\(folder.path)/feeds.db", journal: .asFound)
    try old.execute("DROP TABLE subfeedStatements")
    old.close()
  }

  @Test func theWriterStatesWithWhichMessageASubfeedBegins() async throws {
    let store = try OpenFeeds(folder.path)
    let key = SubfeedKey(try await store.create("lab"), key.subfeed)
    guard case .empty = try store.feeds.proof(of: key) else { throw KacheryError(.internalError, "not empty") }
    let first = try await store.append([["n": 0], ["n": 1]], to: key, at: time)[0]
    let statement = try #require(try proven(store, key))
    #expect(statement.holds(for: key, beginningWith: first.signature))
    try await store.append([["n": 2]], to: key, at: time)
    #expect(try proven(store, key) == statement)
    #expect(try await store.delete(key.feed))
    store.close()
    let database = try Connection("\(folder.path)/feeds.db", journal: .asFound)
    #expect(try database.firstRow("SELECT 1 FROM subfeedStatements") == nil)
  }

  /// Otherwise what follows in one could be passed on as the other's.
  @Test func subfeedsThatBeginWithTheSameMessageHaveDifferentBeginnings() async throws {
    let store = try OpenFeeds(folder.path)
    let feed = try await store.create("lab")
    var beginnings: Set<Signature> = []
    for name in ["a", "b", "c"] {
      let key = SubfeedKey(feed, try SubfeedHash(name: .string(name)))
      beginnings.insert(try await store.append([["n": 0], ["n": 1]], to: key, at: time)[0].signature)
    }
    #expect(beginnings.count == 3)
  }

  @Test func onlyMessagesOfTheStatedSubfeedAreStored() async throws {
    let store = try OpenFeeds(folder.path)
    let chain = try FeedStoreTests.chain(3, by: writer)
    let others = try FeedStoreTests.chain(3, by: writer, named: "other")
    // The messages of another subfeed, with the statement about that one and with the right one.
    for wrong in [statement(other, others), statement(key, chain)] {
      let admission = try await store.admit(others, wrong, to: key)
      #expect(admission.isUnproven && admission.kept.isEmpty && admission.fork == nil)
      #expect(try store.feeds.count(key) == 0)
    }
    #expect(try await store.admit(chain, statement(key, chain), to: key).kept == chain)
    #expect(try proven(store, key) == statement(key, chain))
    // Once it is proven, the messages prove themselves: each names the one before it.
    #expect(try await store.admit(others, statement(other, others), to: key).fork == 0)
  }

  @Test func aStatementWithoutTheFirstMessageStoresNothing() async throws {
    let store = try OpenFeeds(folder.path)
    let chain = try FeedStoreTests.chain(3, by: writer)
    let admission = try await store.admit([chain[1]], statement(key, chain), to: key)
    #expect(admission.count == 0 && !admission.isUnproven)
    guard case .empty = try store.feeds.proof(of: key) else { throw KacheryError(.internalError, "not empty") }
  }

  /// The writer makes it when the feed is first served, and then keeps it.
  @Test func aFeedOfEarlierSoftwareGetsItsStatement() async throws {
    var store = try OpenFeeds(folder.path)
    let key = SubfeedKey(try await store.create("lab"), key.subfeed)
    let first = try await store.append([["n": 0]], to: key, at: time)[0]
    store.close()
    try forgetStatements()
    store = try OpenFeeds(folder.path)
    #expect(try store.feeds.provenCount(key) == 1)
    let statement = try #require(try proven(store, key))
    #expect(statement.holds(for: key, beginningWith: first.signature))
    store.close()
    let database = try Connection("\(folder.path)/feeds.db", journal: .asFound)
    let row = try #require(try database.firstRow("SELECT firstSignature, signature FROM subfeedStatements"))
    #expect(row.map(\.text) == [first.signature.hex, statement.signature.hex])
  }

  @Test func aReplicaOfEarlierSoftwareIsUnprovenUntilItHasTheStatement() async throws {
    var store = try OpenFeeds(folder.path)
    let chain = try FeedStoreTests.chain(4, by: writer)
    _ = try await store.admit(Array(chain[0..<3]), statement(key, chain), to: key)
    store.close()
    try forgetStatements()
    store = try OpenFeeds(folder.path)
    #expect(try isUnproven(store) && store.feeds.provenCount(key) == 0 && store.feeds.count(key) == 3)
    // Not by one that contradicts it.
    let others = try FeedStoreTests.chain(3, by: writer, named: "other")
    #expect(try await store.admit(others, statement(key, others), to: key).fork == 0)
    #expect(try await store.admit(Array(chain[3...]), statement(other, chain), to: key).isUnproven)
    #expect(try isUnproven(store))
    let admission = try await store.admit(chain, statement(key, chain), to: key)
    #expect(admission.count == 4 && admission.kept == Array(chain[3...]))
    #expect(try store.feeds.provenCount(key) == 4)
    #expect(try store.feeds.messages(of: key, from: 0) == chain.map(\.text))
  }
}
