import CPosix
package import Primitives

/// An error of the operating system, used as the cause of a `KacheryError`.
package struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The errno.
  package let number: Int32

  package init(number: Int32) { self.number = number }

  package var description: String { "\(String(cString: strerror(number))) (errno \(number))" }
}

extension KacheryError {
  /// The error for a failed file operation.
  ///
  /// - Parameters:
  ///   - attempt: the operation, such as "open".
  ///   - number: the errno, captured by the call itself.
  static func file(_ attempt: String, _ path: String, errno number: Int32) -> KacheryError {
    let (code, reason) = explain(number)
    return KacheryError(code, "Could not \(attempt) \(path): \(reason).", cause: SystemError(number: number))
  }

  private static func explain(_ number: Int32) -> (Code, String) {
    switch number {
    case ENOENT: (.notFound, "there is no such file or folder; check the path")
    case ENOTDIR: (.notFound, "a part of the path is not a folder; check the path")
    case ENAMETOOLONG: (.badRequest, "the name is too long; use a shorter one")
    case EACCES, EPERM: (.permissionDenied, "this user may not do that; change its permissions or its owner")
    case EROFS: (.permissionDenied, "the file system is mounted read-only; mount it writable or use another folder")
    case ENOSPC: (.diskFull, "the disk is full; free some space and try again")
    case EDQUOT: (.diskFull, "the disk quota of this user is used up; free some space and try again")
    case EFBIG:
      (.diskFull, "files of this size are not allowed here; raise the limit ('ulimit -f') or use another file system")
    case EISDIR: (.storageFailed, "it is a folder; name a file")
    case ELOOP: (.storageFailed, "it is a symbolic link where none is allowed, or links go in a circle; name the file")
    case EMFILE, ENFILE: (.storageFailed, "too many files are open; raise the limit with 'ulimit -n'")
    default: (.storageFailed, "the system says '\(SystemError(number: number))'; check the disk and the system's log")
    }
  }
}

extension KacheryError {
  /// The errno behind a failed file operation; nil if the error has another cause.
  package var systemNumber: Int32? { (cause as? SystemError)?.number }

  /// The system's description of a failed file operation, without the path; nil if the error has another cause.
  package var systemReason: String? { systemNumber.map { String(cString: strerror($0)) } }

  /// Whether a file operation failed because the path is, or passes through, a symbolic link that must not be followed.
  package var isUnwantedLink: Bool { systemNumber == ELOOP }

  /// Whether a file operation failed because the name is taken.
  package var isNameTaken: Bool { systemNumber == EEXIST }

  /// Whether a file operation failed because the file system does not support unnamed files.
  package var isUnnamedUnsupported: Bool { systemNumber == EOPNOTSUPP || systemNumber == EISDIR }
}
