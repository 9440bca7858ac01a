import CSQLite

/// An SQLite result code; its lower eight bits are the kind of failure. A struct, because SQLite adds codes.
package struct ResultCode: RawRepresentable, Hashable, Sendable {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// The kind of failure without details.
  package var primary: ResultCode { ResultCode(rawValue: rawValue & 0xff) }

  package static let ok = Self(rawValue: SQLITE_OK)
  package static let row = Self(rawValue: SQLITE_ROW)
  package static let done = Self(rawValue: SQLITE_DONE)
  /// Another connection kept the database locked for longer than the busy timeout.
  package static let busy = Self(rawValue: SQLITE_BUSY)
  package static let constraint = Self(rawValue: SQLITE_CONSTRAINT)
  package static let corrupt = Self(rawValue: SQLITE_CORRUPT)
  package static let notADatabase = Self(rawValue: SQLITE_NOTADB)
  package static let full = Self(rawValue: SQLITE_FULL)
  package static let readOnly = Self(rawValue: SQLITE_READONLY)
  package static let cannotOpen = Self(rawValue: SQLITE_CANTOPEN)
  package static let forbidden = Self(rawValue: SQLITE_PERM)
  package static let authorization = Self(rawValue: SQLITE_AUTH)
}

/// A failure as SQLite reports it, used as the cause of a `KacheryError`.
package struct DatabaseError: Error, Hashable, Sendable, CustomStringConvertible {
  package let code: ResultCode
  package let reason: String

  package var description: String { "\(reason) (SQLite code \(code.rawValue))" }
}
