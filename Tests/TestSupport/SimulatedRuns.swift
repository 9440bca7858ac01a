import Foundation

/// How many runs a simulation plays: `KACHERY_SIMULATED_RUNS` (`make simulate`), with seeds from
/// `KACHERY_SIMULATED_FIRST` on.
package enum SimulatedRuns {
  /// The number of runs if the environment names none.
  package static let usual: UInt64 = 400

  /// The number of runs.
  package static func count(usually usual: UInt64 = usual) -> UInt64 { number("KACHERY_SIMULATED_RUNS", usual) }

  /// The seeds in parts of `size`, so that they run in parallel.
  package static func parts(of size: UInt64, usually usual: UInt64 = usual) -> [Range<UInt64>] {
    let first = number("KACHERY_SIMULATED_FIRST", 0)
    let end = first + count(usually: usual)
    return stride(from: first, to: end, by: UInt64.Stride(size)).map { $0..<min($0 + size, end) }
  }

  private static func number(_ name: String, _ otherwise: UInt64) -> UInt64 {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? otherwise
  }
}
