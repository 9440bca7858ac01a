import CSQLite
import Primitives

/// A prepared statement, owned and finalized by its connection.
final class Statement {
  private let handle: OpaquePointer
  private unowned let connection: Connection
  private var isOpen = true
  private var isRunning = false

  init(_ sql: String, on database: OpaquePointer, of connection: Connection) throws(KacheryError) {
    var handle: OpaquePointer?
    var isWhole = true
    let code = sql.withCString { text in
      var tail: UnsafePointer<CChar>?
      let code = sqlite3_prepare_v3(database, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &handle, &tail)
      isWhole = tail.map { String(cString: $0).allSatisfy { $0.isWhitespace || $0 == ";" } } ?? true
      return ResultCode(rawValue: code)
    }
    try connection.check(code)
    guard let handle, isWhole else {
      sqlite3_finalize(handle)
      throw KacheryError(.internalError, "This must be exactly one SQL statement: \(sql)")
    }
    self.handle = handle
    self.connection = connection
  }

  deinit { close() }

  func close() {
    guard isOpen else { return }
    isOpen = false
    sqlite3_finalize(handle)
  }

  /// Runs the statement with these parameter values and passes each row to `body`, which returns false to end it.
  func run(_ values: [SQLValue], _ body: ([SQLValue]) throws(KacheryError) -> Bool) throws(KacheryError) {
    guard isOpen, !isRunning else {
      throw KacheryError(
        .internalError, "A SQL statement was used while it was running or after its database was closed.")
    }
    guard Int(sqlite3_bind_parameter_count(handle)) == values.count else {
      throw KacheryError(.internalError, "\(values.count) values do not match the parameters of a SQL statement.")
    }
    isRunning = true
    // Also ends the read transaction, which would keep the write-ahead log from being checkpointed.
    defer {
      isRunning = false
      sqlite3_reset(handle)
      sqlite3_clear_bindings(handle)
    }
    for (index, value) in values.enumerated() { try connection.check(bind(value, at: Int32(index) + 1)) }
    while true {
      let code = ResultCode(rawValue: sqlite3_step(handle))
      try connection.check(code)
      guard code == .row else { return }
      guard try body(row) else { return }
    }
  }

  private func bind(_ value: SQLValue, at index: Int32) -> ResultCode {
    let code =
      switch value {
      case .null: sqlite3_bind_null(handle, index)
      case .integer(let integer): sqlite3_bind_int64(handle, index, integer)
      case .real(let real): sqlite3_bind_double(handle, index, real)
      case .text(let text): CSQLite_bind_text(handle, index, text, UInt64(text.utf8.count))
      case .blob(let bytes):
        bytes.withUnsafeBytes { buffer in
          // A null pointer would bind NULL instead of an empty blob.
          buffer.isEmpty
            ? sqlite3_bind_zeroblob(handle, index, 0)
            : CSQLite_bind_blob(handle, index, buffer.baseAddress, UInt64(buffer.count))
        }
      }
    return ResultCode(rawValue: code)
  }

  private var row: [SQLValue] { (0..<sqlite3_column_count(handle)).map(column) }

  private func column(_ index: Int32) -> SQLValue {
    switch sqlite3_column_type(handle, index) {
    case SQLITE_INTEGER: .integer(sqlite3_column_int64(handle, index))
    case SQLITE_FLOAT: .real(sqlite3_column_double(handle, index))
    case SQLITE_TEXT:
      .text(
        String(decoding: bytes(sqlite3_column_text(handle, index).map(UnsafeRawPointer.init), index), as: UTF8.self))
    case SQLITE_BLOB: .blob(Array(bytes(sqlite3_column_blob(handle, index), index)))
    default: .null
    }
  }

  private func bytes(_ start: UnsafeRawPointer?, _ index: Int32) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, index)))
  }
}
