package import Primitives

extension Connection {
  /// Runs one statement for its effect.
  ///
  /// - Parameter values: for the `?` in the statement, in order; SQLite copies them.
  /// - Returns: the number of rows that an INSERT, UPDATE or DELETE affected; meaningless for other statements.
  @discardableResult
  package func execute(_ sql: String, _ values: [SQLValue] = []) throws(KacheryError) -> Int {
    try statement(sql).run(values) { _ in true }
    return changes
  }

  /// Runs one statement and collects its rows, each with one value per column.
  @discardableResult
  package func rows(_ sql: String, _ values: [SQLValue] = []) throws(KacheryError) -> [[SQLValue]] {
    var rows: [[SQLValue]] = []
    try statement(sql).run(values) { row in
      rows.append(row)
      return true
    }
    return rows
  }

  /// The first row of one statement; nil if there is none.
  package func firstRow(_ sql: String, _ values: [SQLValue] = []) throws(KacheryError) -> [SQLValue]? {
    var first: [SQLValue]?
    try statement(sql).run(values) { row in
      first = row
      return false
    }
    return first
  }

  /// Runs one statement and passes each row to `body`, for results that are too large to collect.
  ///
  /// - Parameter body: returns whether to continue with the next row.
  package func forEachRow(
    _ sql: String, _ values: [SQLValue] = [], _ body: ([SQLValue]) throws(KacheryError) -> Bool
  ) throws(KacheryError) {
    try statement(sql).run(values, body)
  }

  /// Runs `body` in a transaction, which is rolled back if `body` throws.
  ///
  /// Takes the write lock at the start, so that two processes never both read and then wait for each other.
  package func transaction<Result>(_ body: () throws(KacheryError) -> Result) throws(KacheryError) -> Result {
    try begin()
    do throws(KacheryError) {
      let result = try body()
      try commit()
      return result
    } catch {
      rollBack()
      throw error
    }
  }

  /// Begins a transaction; `commit` or `rollBack` must follow, `rollBack` also if `commit` fails.
  ///
  /// - Throws: `storageFailed` also if the file was removed or replaced.
  package func begin() throws(KacheryError) {
    guard !isInTransaction else {
      throw KacheryError(.internalError, "A transaction on \(path) was begun inside another one.")
    }
    try requireFile()
    try execute("BEGIN IMMEDIATE")
    isInTransaction = true
  }

  /// Commits the transaction to the disk.
  package func commit() throws(KacheryError) {
    try execute("COMMIT")
    isInTransaction = false
  }

  /// Rolls back the transaction, if there is one.
  package func rollBack() {
    guard isInTransaction else { return }
    isInTransaction = false
    // SQLite has already rolled back after some failures; this statement then fails without effect.
    _ = try? execute("ROLLBACK")
  }
}
