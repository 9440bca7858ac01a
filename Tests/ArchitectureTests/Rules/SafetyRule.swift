/// A comment explains each place where the compiler's checks are disabled.
enum SafetyRule {
  static func violations(in file: SourceFile) -> [Violation] {
    let unchecked = /@unchecked\s+Sendable|nonisolated\(unsafe\)|@preconcurrency|unsafeBitCast|unsafeDowncast/
    let parts = ["@unchecked", "nonisolated", "@preconcurrency", "unsafeBitCast", "unsafeDowncast"]
    return file.code.indices.compactMap { index in
      guard file.code[index].containsAny(of: parts), let match = file.code[index].firstMatch(of: unchecked),
        !hasReason(file, index)
      else { return nil }
      let word = file.code[index][match.range]
      return file.violation(
        at: index, "\(word) needs a comment on this line or the one above that says why it is safe.")
    }
  }

  /// The handlers that `exit` runs free memory that other threads still use.
  static func exits(in file: SourceFile) -> [Violation] {
    file.violations(
      of: /(^|[^.\w])exit\(/, in: ["exit("], "End the process with CurrentProcess.end: other threads may be running.")
  }

  /// Threads are started, named and detached in one place.
  static func threads(in file: SourceFile) -> [Violation] {
    guard !file.path.hasPrefix("Sources/Platform/Threads/") else { return [] }
    return file.violations(
      of: /\b(pthread_create|uv_thread_create\w*|thrd_create|detachNewThread|DispatchQueue)\b|\bThread( \{|[.({])/,
      in: ["hread", "thrd_create", "DispatchQueue"], "Start threads with SystemThread, WorkerThread or ThreadExecutor.")
  }

  private static func hasReason(_ file: SourceFile, _ index: Int) -> Bool {
    let line = file.lines[index]
    if line.contains("//"), !file.code[index].contains("//") { return true }
    return index > 0 && file.lines[index - 1].drop { $0 == " " }.hasPrefix("//")
  }
}
