package import Primitives

extension Connection {
  /// Runs one statement for its effect.
  ///
  /// - Parameter values: for the `?` in the statement, in order; SQLite copies them.
  /// - Returns: the number of rows that an INSERT, UPDATE or DELETE has touched; without meaning for other statements.
  @discardableResult
  package func execute(_ sql: String, _ values: [SQLValue] = []) throws(KacheryError) -> Int {
    try statement(sql).run(values) { _ in true }
    return changes
  }

  /// Runs one statement and collects its rows, each a value a column.
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

  /// Runs one statement and hands over row by row, for results that are too large to collect.
  ///
  /// - Parameter body: answers whether it wants the next row.
  package func forEachRow(
    _ sql: String, _ values: [SQLValue] = [], _ body: ([SQLValue]) throws(KacheryError) -> Bool
  ) throws(KacheryError) {
    try statement(sql).run(values, body)
  }

  /// Does everything in `body` or, where it throws, nothing.
  ///
  /// The write lock is taken at the start, so that two processes never both read and then wait for each other.
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

  /// Begins a transaction; `commit` or `rollBack` must follow, `rollBack` also where `commit` fails.
  package func begin() throws(KacheryError) {
    guard !isInTransaction else {
      throw KacheryError(.internalError, "A transaction on \(path) was begun inside another one.")
    }
    try execute("BEGIN IMMEDIATE")
    isInTransaction = true
  }

  /// Brings the transaction to the disk.
  package func commit() throws(KacheryError) {
    try execute("COMMIT")
    isInTransaction = false
  }

  /// Undoes the transaction; does nothing where there is none.
  package func rollBack() {
    guard isInTransaction else { return }
    isInTransaction = false
    // SQLite has already rolled back after some failures; then this one says so and changes nothing.
    _ = try? execute("ROLLBACK")
  }
}
