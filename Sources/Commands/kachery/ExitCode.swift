import Primitives

/// How a command ended, for scripts. Every command's `--help` lists them.
enum ExitCode: Int32 {
  case done = 0
  case failed = 1
  case wrongUsage = 2
  case notFound = 3
  case noDaemon = 4

  /// The exit code for this error.
  init(_ error: KacheryError) {
    self = ErrorExplanation.of(error.code).flatMap { Self(rawValue: $0.exitCode) } ?? .failed
  }

  /// The code after a further failure among several items: the failures' common code, or `failed` if they differ.
  func joined(by failure: ExitCode) -> ExitCode { self == .done || self == failure ? failure : .failed }

  static let explanation = """
    Exit codes:
      0  done
      1  failed; the reason is on standard error
      2  wrong usage
      3  not found
      4  no daemon answers
    """
}
