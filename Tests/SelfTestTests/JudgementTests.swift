import Primitives
import TestSupport
import Testing

@testable import SelfTest

/// What made-up findings mean.
@Suite struct JudgementTests {
  private func findings(_ change: (inout DirectoryFindings) -> Void) -> [SelfTestResult] {
    var findings = DirectoryFindings()
    findings.fileSystem = FileSystemKind(number: 0xef53)
    findings.room = DirectoryFindings.Room(available: 50_000_000_000, total: 100_000_000_000, files: 1_000_000)
    (findings.locksExclude, findings.databaseIsShared) = (true, true)
    findings.timeStep = 4_000_000
    change(&findings)
    return findings.results
  }

  private func verdict(_ name: String, of results: [SelfTestResult]) -> SelfTestResult.Verdict? {
    results.first { $0.name == name }?.verdict
  }

  @Test func aGoodDiskIsGood() {
    let results = findings { _ in }
    #expect(results.allSatisfy { $0.verdict == .ok && $0.remedy == nil }, "\(results)")
    #expect(results.count == 13 && Set(results.map(\.name)).count == results.count)
    #expect(results.contains { $0.text == "50.0 GB free of 100 GB, and 1,000,000 more files" }, "\(results)")
  }

  /// A thing that is not as it should be, and what is said about it.
  struct Defect: Sendable, CustomTestStringConvertible {
    let name: String
    let verdict: SelfTestResult.Verdict
    let change: @Sendable (inout DirectoryFindings) -> Void

    init(
      _ name: String, _ verdict: SelfTestResult.Verdict, _ change: @escaping @Sendable (inout DirectoryFindings) -> Void
    ) {
      (self.name, self.verdict, self.change) = (name, verdict, change)
    }

    var testDescription: String { "\(name), \(verdict)" }
  }

  private static let defects: [Defect] = [
    Defect("file system", .warning) { $0.fileSystem = FileSystemKind(number: 0x6969) },
    Defect("file system", .warning) { $0.fileSystem = FileSystemKind(number: 0x0102_1994) },
    Defect("space", .warning) { $0.room?.available = 900_000_000 },
    Defect("space", .failure) { $0.room?.available = 9_000_000 },
    Defect("space", .warning) { $0.room?.files = 50_000 },
    Defect("space", .failure) { $0.room?.files = 10 },
    Defect("space", .skipped) { $0.room = nil },
    Defect("quota", .failure) { $0.quota = DirectoryFindings.Quota(used: 20, limit: 10) },
    Defect("quota", .warning) { $0.quota = DirectoryFindings.Quota(used: 0, limit: 500_000_000) },
    Defect("file size", .warning) { $0.largestFile = 1_000_000 },
    Defect("rename", .failure) { $0.renameReplaces = false },
    Defect("hard links", .warning) { $0.linkKeepsWhatIsThere = false },
    Defect("locks", .failure) { $0.locksExclude = false },
    Defect("locks", .skipped) { $0.locksExclude = nil },
    Defect("databases", .failure) { $0.databaseProblem = "locked" },
    Defect("databases", .failure) { $0.hasWriteAheadLog = false },
    Defect("databases", .failure) { $0.databaseIsShared = false },
    Defect("saving", .warning) { $0.syncMilliseconds = 150 },
    Defect("permissions", .failure) { $0.keepsPermissions = false },
    Defect("names", .warning) { $0.isCaseSensitive = false },
    Defect("names", .warning) { $0.keepsNamesByBytes = false },
    Defect("names", .warning) { $0.keepsLongNames = false },
    Defect("times", .warning) { $0.timeStep = 2_000_000_000 },
    Defect("socket", .warning) { $0.socketProblem = "not here" },
  ]

  /// One thing is different in each case, and only that is reported.
  @Test(arguments: defects) func eachDefectIsNamed(_ defect: Defect) {
    let results = findings(defect.change)
    #expect(self.verdict(defect.name, of: results) == defect.verdict)
    #expect(results.filter { $0.verdict != .ok }.map(\.name) == [defect.name], "\(results)")
    #expect(results.filter { [.warning, .failure].contains($0.verdict) }.allSatisfy { $0.remedy?.isEmpty == false })
  }

  @Test func whatDoesNotMatterIsOk() {
    let results = findings {
      $0.quota = DirectoryFindings.Quota(used: 0, limit: 50_000_000_000)
      ($0.sharesBlocks, $0.hasUnnamedFiles, $0.databaseIsShared) = (false, false, nil)
      $0.fileSystem = nil
      $0.room?.files = nil
    }
    #expect(results.allSatisfy { $0.verdict == .ok }, "\(results)")
    #expect(FileSystemKind(number: 1) == nil)
  }

  @Test func aDirectoryOfAnotherUserIsNoFailure() {
    let others = findings { $0.problem = KacheryError(.permissionDenied, "This user may not do that.") }
    #expect(verdict("writing", of: others) == .skipped && verdict("rename", of: others) == nil)
    let full = findings { $0.problem = KacheryError(.diskFull, "The disk is full.") }
    #expect(verdict("writing", of: full) == .failure)
  }

  @Test func theMachineIsJudged() {
    var findings = MachineFindings(time: WallTime(milliseconds: 1_800_000_000_000), temporaryFolder: "/tmp")
    findings.openFiles = 1_000_000
    (findings.memory, findings.availableMemory) = (8_000_000_000, 4_000_000_000)
    findings.hashesInHardware = false
    #expect(findings.results.allSatisfy { $0.verdict == .ok } && findings.results.count == 6)
    findings.openFiles = 1_024
    findings.availableMemory = 100_000_000
    findings.time = WallTime(milliseconds: 1_000_000_000_000)
    findings.newFilePermissions = 0o666
    findings.temporaryProblem = "read-only"
    let verdicts = findings.results.map(\.verdict)
    #expect(verdicts == [.warning, .warning, .failure, .ok, .warning, .warning])
    findings.newFilePermissions = 0o066
    #expect(verdict("umask", of: findings.results) == .failure)
    (findings.memory, findings.hashesInHardware) = (nil, nil)
    #expect(findings.results.count == 4)
  }

  @Test func versionsMustAgree() {
    let good = ProgramFindings(
      own: "1.2.3", daemonProgram: .version("1.2.3"), runningDaemon: .missing, python: .missing)
    #expect(good.results.map(\.verdict) == [.ok, .ok, .skipped, .skipped])
    let mixed = ProgramFindings(
      own: "1.2.3", daemonProgram: .missing, runningDaemon: .version("1.2.2"), python: .version("1.2.4"))
    #expect(mixed.results.map(\.verdict) == [.ok, .failure, .warning, .warning])
  }

  /// The real thing, once. A second process is not at hand here; Python/tests/test_selftest.py has one.
  @Test func itLeavesNothingBehind() throws {
    let folder = try TemporaryFolder.onDisk()
    let probe = DirectoryProbe(directory: folder.path("not/there"))
    #expect(probe.place == folder.path)
    var calls: [SecondProcess] = []
    let findings = probe.findings { scratch in
      calls.append(SecondProcess(in: scratch))
      return calls.last?.exitCode
    }
    #expect(findings.problem == nil && findings.databaseProblem == nil && findings.renameReplaces)
    // In one process, the lock of another open file excludes as well.
    #expect(findings.locksExclude == true && findings.databaseIsShared == true)
    #expect(calls.map(\.hasLock) == [false, true])
    #expect(findings.timeStep < 2_000_000_000 && findings.socketProblem == nil)
    #expect(try folder.files() == [])
    #expect(SecondProcess(exitCode: 1) == nil && SecondProcess(exitCode: 127) == nil)
    #expect(probe.findings { _ in nil }.locksExclude == nil)
  }
}
