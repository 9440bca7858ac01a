import TestSupport
import Testing

/// Files, batches and feeds together. A failing run names its seed. `KACHERY_SIMULATED_RUNS` sets the number of runs
/// (`make simulate`), `KACHERY_SIMULATED_FIRST` the first seed.
@Suite struct MixedRunTests {
  private static let parts = SimulatedRuns.parts(of: 12, usually: 24)

  @Test(arguments: parts)
  func everythingArrivesAndNothingIsLeft(_ seeds: Range<UInt64>) throws {
    for seed in seeds {
      let run = try MixedRun(seed: seed)
      defer { run.lab.network.dismantle() }
      let complaints = try run.play()
      #expect(complaints == [], "seed \(seed)")
    }
  }

  /// The traces are equal in this process and in others, which hash with other seeds.
  @Test func aSeedHasTheSameTraceInEveryProcess() throws {
    try ProcessTraces.compare("SimulationTests.MixedRunTests/aSeedHasTheSameTraceInEveryProcess") {
      try (0..<6 as Range<UInt64>).flatMap { seed in
        let run = try MixedRun(seed: seed, keepsTrace: true)
        defer { run.lab.network.dismantle() }
        _ = try run.play()
        // The name of a private type is printed with an address.
        return run.lab.network.trace.map { $0.replacing(/\(unknown context at \$[0-9a-f]+\)\./, with: "") }
      }
    }
  }
}
