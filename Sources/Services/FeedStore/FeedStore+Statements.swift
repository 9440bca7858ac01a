package import Crypto
import Database
package import Primitives
import Synchronization

/// Whether other nodes accept the stored messages of a subfeed.
package enum SubfeedProof: Sendable {
  /// No message is stored.
  case empty
  /// The writer has stated with which message the subfeed begins.
  case proven(SubfeedStatement)
  /// Another node writes the subfeed, and its statement is not here: the messages were received by earlier software.
  case unproven
}

extension FeedStore {
  /// The writer's statement about the subfeed. If this node is the writer, and earlier software has stored the messages,
  /// it is made and stored now.
  package func proof(of key: SubfeedKey) throws(KacheryError) -> SubfeedProof {
    // In one statement, so that it sees one state of the database.
    let row = try reader.withLock { (connection) throws(KacheryError) in
      try connection.firstRow(
        "SELECT s.signature, m.message FROM subfeedMessages AS m LEFT JOIN subfeedStatements AS s "
          + "ON s.feedId = m.feedId AND s.subfeedHash = m.subfeedHash "
          + "WHERE m.feedId = ? AND m.subfeedHash = ? AND m.position = 0", key.columns)
    }
    guard let row else { return .empty }
    if let signature = row[0].text.flatMap({ Signature(hex: $0) }) { return .proven(SubfeedStatement(signature)) }
    guard let signer = try keys.key(of: key.feed) else { return .unproven }
    guard let text = row[1].text, let first = try? SignedMessage(Array(text.utf8)), first.number == 0 else {
      throw KacheryError(.storageFailed, "The first message of \(key) in \(path) is damaged.")
    }
    let statement = SubfeedStatement(of: key, beginningWith: first.signature, by: signer)
    keep(statement, beginningWith: first.signature, of: key)
    return .proven(statement)
  }

  /// How many messages of the subfeed other nodes would accept: none if the writer's statement is missing.
  package func provenCount(_ key: SubfeedKey) throws(KacheryError) -> UInt64 {
    switch try proof(of: key) {
    case .proven: try count(key)
    case .empty, .unproven: 0
    }
  }
}
