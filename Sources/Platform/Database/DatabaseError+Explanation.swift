package import Primitives

extension DatabaseError {
  /// The error for this failure of the database at `path`.
  func explained(path: String) -> KacheryError {
    let (code, reason): (KacheryError.Code, String) =
      switch self.code.primary {
      case .full: (.diskFull, "the disk is full; free some space and try again")
      case .readOnly, .forbidden, .authorization, .cannotOpen:
        (.permissionDenied, "\(self); check that the file and its folder exist and that this user may write them")
      case .busy: (.timedOut, "another program has locked it; close that program and try again")
      case .corrupt, .notADatabase: (.storageFailed, "it is damaged (\(self)); restore it from a copy or move it away")
      default: (.storageFailed, "\(self)")
      }
    return KacheryError(code, "The database \(path) could not be used: \(reason).", cause: self)
  }
}

extension KacheryError {
  /// SQLite's result code behind this error; nil if it has another cause.
  package var databaseCode: ResultCode? { (cause as? DatabaseError)?.code }
}
