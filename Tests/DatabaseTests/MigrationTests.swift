import Database
import Primitives
import TestSupport
import Testing

@Suite struct MigrationTests {
  let folder: TemporaryFolder
  let connection: Connection

  init() throws {
    folder = try TemporaryFolder()
    connection = try Connection(folder.path("a.db"))
  }

  @Test func takesEachStepOnce() throws {
    let first = [["CREATE TABLE t(a)", "INSERT INTO t VALUES(1)"]]
    try connection.migrate(first)
    try connection.migrate(first)
    #expect(try connection.rows("SELECT a FROM t") == [[1]])
    try connection.migrate(first + [["ALTER TABLE t ADD COLUMN b DEFAULT 5"], ["UPDATE t SET a = 2"]])
    #expect(try connection.rows("SELECT a, b FROM t") == [[2, 5]])
    #expect(try connection.firstRow("PRAGMA user_version") == [3])
  }

  @Test func aFailedStepLeavesTheVersionBefore() throws {
    let first = ["CREATE TABLE t(a)"]
    #expect(throws: KacheryError.self) {
      try connection.migrate([first, ["INSERT INTO t VALUES(1)", "NONSENSE"]])
    }
    #expect(try connection.rows("SELECT a FROM t") == [])
    #expect(try connection.firstRow("PRAGMA user_version") == [1])
    try connection.migrate([first, ["INSERT INTO t VALUES(1)"]])
    #expect(try connection.rows("SELECT a FROM t") == [[1]])
  }

  @Test func refusesAFileFromTheFuture() throws {
    try connection.execute("PRAGMA user_version = 9")
    let error = #expect(throws: KacheryError.self) { try connection.migrate([[]]) }
    #expect(error?.code == .badConfiguration)
  }
}
