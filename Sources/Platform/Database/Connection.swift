import CSQLite
package import Primitives

/// A SQLite database, open. It belongs to one thread or lock at a time: it is not Sendable, and SQLite's own locking is
/// off because of that.
package final class Connection {
  /// How a database keeps itself whole while it is written.
  package enum Journal: Hashable, Sendable {
    /// A write-ahead log: readers never wait for the writer. For databases that we make on a local disk.
    case writeAhead
    /// Whatever the file has used so far: for databases that other software made and may open again.
    case asFound
    /// For what can be made again from elsewhere and only this process opens. SQLite takes no locks, which on network
    /// file systems may hang or not hold, and never waits for the disk: a power cut may cost the database, not a call.
    case expendable
  }

  /// How long a statement waits for another process that holds the database.
  private static let busyMilliseconds: Int32 = 5_000

  package let path: String
  private let handle: OpaquePointer
  private var isOpen = true
  private var statements: [String: Statement] = [:]
  var isInTransaction = false

  /// Opens the database at `path`, creating an empty one if there is none.
  ///
  /// - Throws: `permissionDenied`, `diskFull`, or `storageFailed` if the file is no database or is damaged.
  package init(_ path: String, journal: Journal = .writeAhead) throws(KacheryError) {
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw KacheryError(.badRequest, "A database's path is empty or holds a zero byte; check it.")
    }
    var handle: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let code = ResultCode(rawValue: sqlite3_open_v2(path, &handle, flags, journal == .expendable ? "unix-none" : nil))
    guard let handle else { throw KacheryError(.internalError, "There is not enough memory to open \(path).") }
    self.path = path
    self.handle = handle
    do throws(KacheryError) {
      try check(code)
      try check(ResultCode(rawValue: CSQLite_distrust(handle)))
      try check(ResultCode(rawValue: sqlite3_busy_timeout(handle, Self.busyMilliseconds)))
      try keepWhole(by: journal)
      try execute("PRAGMA foreign_keys = ON")
      // Opening reads nothing: only a look at the schema tells whether this is a database at all.
      try rows("SELECT count(*) FROM sqlite_schema")
    } catch {
      close()
      throw error
    }
  }

  private func keepWhole(by journal: Journal) throws(KacheryError) {
    switch journal {
    case .asFound: return
    case .writeAhead: try rows("PRAGMA journal_mode = WAL")
    case .expendable:
      // Before anything else looks at the log: it then needs no memory shared with other processes.
      try rows("PRAGMA locking_mode = EXCLUSIVE")
      // Before the file is written to for the first time.
      try execute("PRAGMA synchronous = OFF")
      try rows("PRAGMA journal_mode = WAL")
    }
  }

  deinit { close() }

  /// Closes the database; does nothing the second time. Statements must not be used afterwards.
  package func close() {
    guard isOpen else { return }
    isOpen = false
    for statement in statements.values { statement.close() }
    statements = [:]
    sqlite3_close_v2(handle)
  }

  /// Turns an answer that is no success into an error with SQLite's words for it.
  func check(_ code: ResultCode) throws(KacheryError) {
    guard code != .ok, code != .row, code != .done else { return }
    let reason = String(cString: sqlite3_errmsg(handle))
    throw DatabaseError(code: code, reason: reason).explained(path: path)
  }

  /// The statement for `sql`, prepared once and kept for the next time.
  func statement(_ sql: String) throws(KacheryError) -> Statement {
    guard isOpen else { throw KacheryError(.storageFailed, "The database \(path) is closed.") }
    if let statement = statements[sql] { return statement }
    let statement = try Statement(sql, on: handle, of: self)
    statements[sql] = statement
    return statement
  }

  /// How many rows the last statement changed.
  var changes: Int { Int(sqlite3_changes64(handle)) }
}
