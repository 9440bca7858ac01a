package import Primitives

extension Connection {
  /// Migrates the database to the newest layout, each step in a separate transaction.
  ///
  /// - Parameter steps: the statements that lead from each version to the next, the first from an empty database. Only
  ///   ever append to it: `user_version` in the file counts the completed steps.
  /// - Throws: `badConfiguration` if a newer version of this software wrote the file.
  package func migrate(_ steps: [[String]]) throws(KacheryError) {
    let newest = try version()
    guard newest <= steps.count else {
      throw KacheryError(
        .badConfiguration,
        "The database \(path) was written by a newer kachery (layout \(newest), this one knows \(steps.count)); update."
      )
    }
    for target in newest..<steps.count {
      try transaction { () throws(KacheryError) in
        // Another process may have completed this step while this one waited for the lock.
        guard try version() == target else { return }
        for sql in steps[target] { try execute(sql) }
        try execute("PRAGMA user_version = \(target + 1)")
      }
    }
  }

  private func version() throws(KacheryError) -> Int {
    Int(try firstRow("PRAGMA user_version")?.first?.integer ?? 0)
  }
}
