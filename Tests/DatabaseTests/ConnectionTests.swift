import Database
import Primitives
import TestSupport
import Testing

@Suite struct ConnectionTests {
  let folder: TemporaryFolder
  let connection: Connection

  init() throws {
    folder = try TemporaryFolder()
    connection = try Connection(folder.path("a.db"))
  }

  @Test func keepsEveryKindOfValue() throws {
    try connection.execute("CREATE TABLE t(a, b, c, d, e, f)")
    let row: [SQLValue] = [nil, 7, .real(1.5), "é\0x", .blob([0, 255]), .blob([])]
    #expect(try connection.execute("INSERT INTO t VALUES(?,?,?,?,?,?)", row) == 1)
    #expect(try connection.rows("SELECT * FROM t") == [row])
    #expect(try connection.firstRow("SELECT a FROM t WHERE b = ?", [8]) == nil)
  }

  @Test func stopsWhenTheCallerHasEnough() throws {
    try connection.execute("CREATE TABLE t(a)")
    for number in 0..<10 { try connection.execute("INSERT INTO t VALUES(?)", [.integer(Int64(number))]) }
    var seen: [Int64?] = []
    try connection.forEachRow("SELECT a FROM t ORDER BY a") { row in
      seen.append(row[0].integer)
      return seen.count < 3
    }
    #expect(seen == [0, 1, 2])
    #expect(try connection.firstRow("SELECT a FROM t ORDER BY a")?.first == 0)
  }

  @Test func aTransactionIsAllOrNothing() throws {
    try connection.execute("CREATE TABLE t(a UNIQUE)")
    let error = #expect(throws: KacheryError.self) {
      try connection.transaction { () throws(KacheryError) in
        try connection.execute("INSERT INTO t VALUES(1)")
        try connection.execute("INSERT INTO t VALUES(1)")
      }
    }
    #expect(error?.databaseCode?.primary == .constraint)
    #expect(try connection.rows("SELECT * FROM t") == [])
    let count = try connection.transaction { () throws(KacheryError) in
      try connection.execute("INSERT INTO t VALUES(2)")
    }
    #expect(count == 1)
    #expect(try connection.rows("SELECT * FROM t") == [[2]])
  }

  @Test func refusesMisuse() throws {
    #expect(throws: KacheryError.self) { try connection.execute("SELECT 1; SELECT 2") }
    #expect(throws: KacheryError.self) { try connection.execute("") }
    #expect(throws: KacheryError.self) { try connection.execute("NONSENSE") }
    #expect(throws: KacheryError.self) { try connection.execute("SELECT ?", []) }
    #expect(throws: KacheryError.self) { try connection.execute("SELECT 1", [1]) }
    #expect(throws: KacheryError.self) {
      try connection.transaction { () throws(KacheryError) in
        try connection.transaction { () throws(KacheryError) in }
      }
    }
    try connection.execute("SELECT 1;\n")
    connection.close()
    connection.close()
    #expect(throws: KacheryError.self) { try connection.execute("SELECT 1") }
  }

  @Test func writesAheadUnlessToldOtherwise() throws {
    #expect(try connection.firstRow("PRAGMA journal_mode") == ["wal"])
    let other = try Connection(folder.path("b.db"), journal: .asFound)
    #expect(try other.firstRow("PRAGMA journal_mode") == ["delete"])
  }

  @Test func readersOfAnotherConnectionSeeWholeTransactions() throws {
    try connection.execute("CREATE TABLE t(a)")
    let other = try Connection(folder.path("a.db"))
    try connection.transaction { () throws(KacheryError) in
      try connection.execute("INSERT INTO t VALUES(1)")
      #expect(try other.rows("SELECT * FROM t") == [])
    }
    #expect(try other.rows("SELECT * FROM t") == [[1]])
  }

  @Test func namesADamagedFile() throws {
    let path = try folder.write("c.db", String(repeating: "this is no database ", count: 100))
    let error = #expect(throws: KacheryError.self) { _ = try Connection(path) }
    #expect(error?.code == .storageFailed)
    #expect(error?.message.contains(path) == true)
    let missing = #expect(throws: KacheryError.self) { _ = try Connection(folder.path("none/c.db")) }
    #expect(missing?.code == .permissionDenied)
  }
}
