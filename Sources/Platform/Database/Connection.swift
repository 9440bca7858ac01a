import CSQLite
import Glibc
package import Primitives

/// An open SQLite database. One thread or lock owns it at a time: it is not Sendable, and SQLite's own locking is off
/// because of that.
package final class Connection {
  /// How a database survives interrupted writes.
  package enum Journal: Hashable, Sendable {
    /// A write-ahead log: readers never wait for the writer. For databases of this software on a local disk.
    case writeAhead
    /// The file's current mode: for databases that other software created and may open again.
    case asFound
    /// For data that can be rebuilt and that only this process opens. SQLite takes no locks, which on network file
    /// systems may hang or be ineffective, and never waits for the disk: a power failure may destroy the database, but
    /// no call hangs.
    case expendable
  }

  /// How long a statement waits for another process that has locked the database.
  private static let busyMilliseconds: Int32 = 5_000

  /// What identifies a file, whatever its path.
  private struct Identity: Equatable {
    let device: UInt
    let number: UInt

    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      (device, number) = (UInt(status.st_dev), UInt(status.st_ino))
    }
  }

  package let path: String
  private let journal: Journal
  private var identity: Identity?
  private let handle: OpaquePointer
  private var isOpen = true
  private var statements: [String: Statement] = [:]
  var isInTransaction = false

  /// Opens the database at `path`, creating an empty one if there is none.
  ///
  /// - Throws: `permissionDenied`, `diskFull`, or `storageFailed` if the file is not a database or is damaged.
  package init(_ path: String, journal: Journal = .writeAhead) throws(KacheryError) {
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw KacheryError(.badRequest, "A database's path is empty or contains a zero byte; check it.")
    }
    var handle: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let code = ResultCode(rawValue: sqlite3_open_v2(path, &handle, flags, journal == .expendable ? "unix-none" : nil))
    guard let handle else { throw KacheryError(.internalError, "There is not enough memory to open \(path).") }
    self.path = path
    self.journal = journal
    self.handle = handle
    do throws(KacheryError) {
      try check(code)
      try check(ResultCode(rawValue: CSQLite_distrust(handle)))
      try check(ResultCode(rawValue: sqlite3_busy_timeout(handle, Self.busyMilliseconds)))
      try keepWhole(by: journal)
      try execute("PRAGMA foreign_keys = ON")
      // Opening reads nothing: only reading the schema shows whether the file is a database.
      try rows("SELECT count(*) FROM sqlite_schema")
      identity = journal == .expendable ? nil : Identity(path)
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
      // Must precede the first access to the log, which then needs no memory shared with other processes.
      try rows("PRAGMA locking_mode = EXCLUSIVE")
      // Must precede the first write to the file.
      try execute("PRAGMA synchronous = OFF")
      try rows("PRAGMA journal_mode = WAL")
    }
  }

  /// Checks that the file is still the one at its path: SQLite would go on writing to a file that was removed, and
  /// everything written would be lost. To be called before writing.
  ///
  /// - Throws: `storageFailed` if the file was removed or replaced.
  package func requireFile() throws(KacheryError) {
    guard journal != .expendable, Identity(path) != identity else { return }
    throw KacheryError(
      .storageFailed,
      "The database \(path) was removed or replaced while it was in use, so nothing is written; restart the daemon.")
  }

  deinit { close() }

  /// Closes the database. Idempotent. Statements must not be used afterwards.
  package func close() {
    guard isOpen else { return }
    isOpen = false
    for statement in statements.values { statement.close() }
    statements = [:]
    sqlite3_close_v2(handle)
  }

  /// Throws an error with SQLite's message if the result code is not success.
  func check(_ code: ResultCode) throws(KacheryError) {
    guard code != .ok, code != .row, code != .done else { return }
    let reason = String(cString: sqlite3_errmsg(handle))
    throw DatabaseError(code: code, reason: reason).explained(path: path)
  }

  /// The statement for `sql`, prepared once and cached.
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
