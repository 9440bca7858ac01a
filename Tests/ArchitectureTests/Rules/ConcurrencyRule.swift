/// Code that belongs to an event loop stays on it.
enum ConcurrencyRule {
  /// In optimized builds of Swift 6.3, a throwing continuation that throws resumes its caller off the caller's
  /// executor.
  static func throwingContinuations(in file: SourceFile) -> [Violation] {
    file.violations(
      of: /with(Checked|Unsafe)ThrowingContinuation/, in: ["ThrowingContinuation"],
      "Resume a continuation that cannot throw with a Result, and call get() on it.")
  }

  /// A loop-bound class is synchronous: after an `await` only convention would return it to the loop.
  static func asynchronousClasses(in file: SourceFile) -> [Violation] {
    guard file.path.hasPrefix("Sources/Daemon/"), file.code.contains(where: { $0.contains(/\bclass\s+[A-Z]/) }) else {
      return []
    }
    return file.violations(
      of: /\b(async|await)\b/, in: ["async", "await"],
      "A class of the daemon takes callbacks; async belongs in an extension of Node.")
  }
}
