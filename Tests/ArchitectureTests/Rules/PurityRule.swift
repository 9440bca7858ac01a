/// Foundation, clocks, `async` and printing stay in their layers.
enum PurityRule {
  static func violations(in file: SourceFile) -> [Violation] {
    foundation(in: file) + system(in: file) + core(in: file) + printing(in: file)
  }

  /// Foundation doubles the size of a static binary, so its use must be justified.
  private static func foundation(in file: SourceFile) -> [Violation] {
    guard let module = file.module, let layer = file.layer else { return [] }
    if layer == .daemon || layer == .commands || module == "LocalAPI" { return [] }
    return ImportRule.imports(in: file).filter { $0.module.hasPrefix("Foundation") }.map {
      file.violation(at: $0.line, "\(module) may not import Foundation: only Daemon, LocalAPI and the commands may.")
    }
  }

  /// A state machine that waits, reads a clock or calls C cannot run a thousand times under a virtual clock.
  private static func core(in file: SourceFile) -> [Violation] {
    guard file.layer == .core else { return [] }
    let impure = /\b(async|await|Task|ContinuousClock|SuspendingClock|SystemRandomNumberGenerator)\b/
    let words = ["async", "await", "Task", "Clock", "SystemRandomNumberGenerator"]
    return file.violations(
      of: impure, in: words,
      "Core has no async, no clock and no randomness of its own; hand it in.")
  }

  /// A port to another system should change only one layer.
  private static func system(in file: SourceFile) -> [Violation] {
    guard let layer = file.layer, layer != .platform else { return [] }
    return ImportRule.imports(in: file).filter { $0.module == "Glibc" }.map {
      file.violation(at: $0.line, "Only Platform calls the system's C library; use its Files, Threads and Process.")
    }
  }

  private static func printing(in file: SourceFile) -> [Violation] {
    guard file.path.hasPrefix("Sources/"), file.layer != .commands else { return [] }
    return file.violations(
      of: /(^|[^.\w])(print|debugPrint|dump)\(/, in: ["rint(", "dump("],
      "Only Commands print; elsewhere use the injected Log.")
  }
}
