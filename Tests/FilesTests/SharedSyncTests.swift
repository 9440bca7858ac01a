import Glibc
import Primitives
import TestSupport
import Testing

@testable import Files

@Suite struct SharedSyncTests {
  private let lost = KacheryError(.storageFailed, "lost")

  private func succeeded(_ outcome: Result<Void, KacheryError>?) -> Bool? {
    outcome.map { outcome in if case .success = outcome { true } else { false } }
  }

  @Test func oneWaitServesAllThreadsThatArrivedBeforeIt() {
    var rounds = SyncRounds()
    let first = rounds.come()
    let begun = rounds.last
    let (second, third) = (rounds.come(), rounds.come())
    #expect(rounds.outcome(of: first) == nil)
    rounds.ended(for: begun, .success(()))
    #expect(succeeded(rounds.outcome(of: first)) == true)
    #expect(rounds.outcome(of: second) == nil, "it arrived after the wait began")
    rounds.ended(for: rounds.last, .success(()))
    #expect(succeeded(rounds.outcome(of: second)) == true)
    #expect(succeeded(rounds.outcome(of: third)) == true)
  }

  /// A later wait that succeeds does not restore writes that an earlier one lost.
  @Test func aFailureIsReportedToAllAffectedCallers() {
    var rounds = SyncRounds()
    let (first, second) = (rounds.come(), rounds.come())
    rounds.ended(for: second, .failure(lost))
    let third = rounds.come()
    #expect(rounds.outcome(of: third) == nil)
    rounds.ended(for: third, .success(()))
    #expect(succeeded(rounds.outcome(of: first)) == false)
    #expect(succeeded(rounds.outcome(of: second)) == false)
    #expect(succeeded(rounds.outcome(of: third)) == true)
  }

  @Test func waitsForTheDiskAndReportsItsErrors() throws {
    let folder = try TemporaryFolder()
    let disk = SharedSync()
    try disk.wait(forFileSystemHolding: folder.path)
    // The first operation opens the folder, the second one syncs.
    let fault = FileFault(at: 2, errno: EIO, .recovers)
    FileFault.$current.withValue(fault) {
      _ = #expect(throws: KacheryError.self) { try disk.wait(forFileSystemHolding: folder.path) }
    }
    #expect(fault.operations == 2)
    try disk.wait(forFileSystemHolding: folder.path)
  }
}
