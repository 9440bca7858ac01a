import APIModel
import Database
import Primitives

/// What is in the databases of a node.
enum StoredCounts {
  /// The tables that a database of each kind may have, and must have if it has any.
  private static let table: [BackupPart: String] = [.feeds: "subfeedMessages", .mutables: "mutables"]

  /// Counts the rows of a database, which must be one of its kind.
  static func count(
    _ part: BackupPart, _ connection: Connection, into counts: inout BackupManifest.Counts
  ) throws(KacheryError) {
    guard let table = table[part], try has(table, connection) else { return }
    guard part == .feeds else {
      counts.values = try number("SELECT count(*) FROM mutables", connection)
      counts.channels = UInt64(try joinedChannels(connection))
      return
    }
    counts.feeds = try number("SELECT count(*) FROM feeds", connection)
    counts.subfeeds = try number("SELECT count(*) FROM subfeeds", connection)
    counts.messages = try number("SELECT count(*) FROM subfeedMessages", connection)
  }

  /// Whether a database holds nothing that would be lost without it.
  static func isEmpty(_ part: BackupPart, _ connection: Connection) throws(KacheryError) -> Bool {
    var counts = BackupManifest.Counts()
    try count(part, connection, into: &counts)
    return counts == BackupManifest.Counts()
  }

  private static func has(_ table: String, _ connection: Connection) throws(KacheryError) -> Bool {
    try connection.firstRow("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", [.text(table)]) != nil
  }

  private static func number(_ sql: String, _ connection: Connection) throws(KacheryError) -> UInt64 {
    UInt64(clamping: try connection.firstRow(sql)?.first?.integer ?? 0)
  }

  private static func joinedChannels(_ connection: Connection) throws(KacheryError) -> Int {
    let key = JoinedChannel.mutableKey.compact
    let row = try connection.firstRow("SELECT value FROM mutables WHERE key = ?", [.text(key)])
    return JoinedChannel.list(from: row?.first?.text.flatMap { try? JSONParser.parse($0) }).count
  }
}
