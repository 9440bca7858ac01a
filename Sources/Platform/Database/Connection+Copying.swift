package import Primitives

extension Connection {
  /// Writes the database as it is at one moment to another file, without free pages and what was deleted on them. Other
  /// processes may go on reading it, and, if it has a write-ahead log, writing to it.
  ///
  /// - Parameter path: an empty file, whose permissions stay.
  /// - Throws: `diskFull`, and `storageFailed` if the database is damaged.
  package func copy(to path: String) throws(KacheryError) {
    try execute("VACUUM INTO ?", [.text(path)])
  }

  /// Whether the database has a write-ahead log.
  package func hasWriteAheadLog() throws(KacheryError) -> Bool {
    try firstRow("PRAGMA journal_mode")?.first?.text == "wal"
  }

  /// The first damage that SQLite finds in the whole file, in its words; nil if it finds none.
  package func damage() throws(KacheryError) -> String? {
    let found = try firstRow("PRAGMA integrity_check(1)")?.first?.text
    return found == "ok" ? nil : found ?? "it cannot be checked"
  }
}
