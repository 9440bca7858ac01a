import Database
import Files
import HTTP
import Primitives
import Process

/// Tries in a folder of its own what kachery relies on.
package struct DirectoryProbe {
  private static let syncs = 5
  /// How long to look for two times that differ, in seconds, and for how many of them.
  private static let timesPatience = 2.5

  /// The storage directory, or the nearest folder above it that exists.
  package let place: String
  /// What is used for the tests, and removed after them.
  package let scratch: String

  package init(directory: String) {
    var place = directory
    while !FileSystem.exists(place), place != FileSystem.parent(of: place) { place = FileSystem.parent(of: place) }
    self.place = place
    scratch = "\(place)/.kachery-selftest.\(FileSystem.processID)"
  }

  /// Runs the tests.
  ///
  /// - Parameter secondProcess: runs `SecondProcess` in another process, on this folder; returns its exit code.
  package func findings(secondProcess: (String) -> Int32?) -> DirectoryFindings {
    var findings = DirectoryFindings()
    findings.fileSystem = (try? FileSystem.kindNumber(at: place)).flatMap { FileSystemKind(number: $0) }
    if let room = try? FileSystem.room(at: place) {
      findings.room = DirectoryFindings.Room(available: room.available, total: room.total, files: room.files)
    }
    findings.quota = FileSystem.quota(at: place).map { DirectoryFindings.Quota(used: $0.used, limit: $0.limit) }
    findings.largestFile = FileSystem.largestFile
    defer { try? FileSystem.removeTree(scratch) }
    do throws(KacheryError) {
      try FileSystem.removeTree(scratch)
      try FileSystem.createFolder(scratch, permissions: 0o700)
      try tryFiles(&findings)
      tryLinks(&findings)
      try tryNames(&findings)
      try tryTimes(&findings)
    } catch {
      findings.problem = error
      return findings
    }
    findings.sharesBlocks = canShareBlocks
    do throws(KacheryError) { try SocketTrial.listen(at: "\(scratch)/socket") } catch {
      findings.socketProblem = error.message
    }
    tryProcesses(secondProcess, &findings)
    return findings
  }

  private func path(_ name: String) -> String { "\(scratch)/\(name)" }

  @discardableResult
  private func write(_ name: String, _ text: String) throws(KacheryError) -> FileStatus {
    let file = try File(path(name), .create(permissions: 0o600))
    defer { file.close() }
    try file.truncate(to: 0)
    try file.write(at: 0, Array(text.utf8))
    return try file.status()
  }

  private func text(of name: String) -> String? {
    (try? FileSystem.read(path(name), limit: 64)).map { String(decoding: $0, as: UTF8.self) }
  }

  private func tryFiles(_ findings: inout DirectoryFindings) throws(KacheryError) {
    findings.keepsPermissions = try write("private", "x").permissions & 0o777 == 0o600
    try write("old", "old")
    try write("new", "new")
    do throws(KacheryError) {
      try FileSystem.rename(path("new"), to: path("old"))
      findings.renameReplaces = text(of: "old") == "new" && !FileSystem.exists(path("new"))
    } catch { findings.renameReplaces = false }
    var times: [Double] = []
    for number in 0..<Self.syncs {
      let start = SteadyClock.seconds
      let file = try File(path("synced-\(number)"), .createNew(permissions: 0o600))
      defer { file.close() }
      try file.write(at: 0, [UInt8](repeating: 1, count: 4_096))
      try file.sync()
      times.append((SteadyClock.seconds - start) * 1_000)
    }
    findings.syncMilliseconds = times.sorted()[Self.syncs / 2]
  }

  private func tryLinks(_ findings: inout DirectoryFindings) {
    do throws(KacheryError) {
      let file: File
      do throws(KacheryError) { file = try File(scratch, .createUnnamed(permissions: 0o600)) } catch {
        guard error.isUnnamedUnsupported else { throw error }
        findings.hasUnnamedFiles = false
        file = try File(path("private"), .update)
      }
      defer { file.close() }
      let folder = try File(scratch, .folder)
      defer { folder.close() }
      try file.link(to: "linked", in: folder)
      do throws(KacheryError) {
        try file.link(to: "old", in: folder)
        findings.linkKeepsWhatIsThere = false
      } catch { findings.linkKeepsWhatIsThere = error.isNameTaken && text(of: "old") == "new" }
    } catch { findings.linkKeepsWhatIsThere = false }
  }

  private func tryNames(_ findings: inout DirectoryFindings) throws(KacheryError) {
    try write("Name", "1")
    findings.isCaseSensitive = !FileSystem.exists(path("name"))
    let names = [String(repeating: "n", count: 255), "u\u{308}-and-\u{fc}"]
    findings.keepsLongNames = (try? write(names[0], "1")) != nil
    _ = try? write(names[1], "1")
    let there = try FileSystem.names(in: scratch).map { ByteString($0) }
    findings.keepsNamesByBytes = there.contains(ByteString(names[1]))
  }

  private func tryTimes(_ findings: inout DirectoryFindings) throws(KacheryError) {
    let start = SteadyClock.seconds
    var last = try write("times", "0").modifiedNanoseconds
    var shortest = UInt64(Self.timesPatience * 1e9)
    var differences = 0
    while SteadyClock.seconds - start < Self.timesPatience, differences < 3 {
      let time = try write("times", "1").modifiedNanoseconds
      guard time > last else { continue }
      shortest = min(shortest, UInt64(time - last))
      last = time
      differences += 1
    }
    findings.timeStep = shortest
  }

  private var canShareBlocks: Bool {
    guard let source = try? FileStream(path("old"), .read), let copy = try? FileStream(path("copy"), .create) else {
      return false
    }
    return copy.share(blocksOf: source)
  }

  private func tryProcesses(_ secondProcess: (String) -> Int32?, _ findings: inout DirectoryFindings) {
    let connection: Connection
    do throws(KacheryError) {
      connection = try Connection(path(SecondProcess.databaseName))
      findings.hasWriteAheadLog = try connection.hasWriteAheadLog()
      try connection.execute("CREATE TABLE trial(number INTEGER)")
      try connection.execute("INSERT INTO trial VALUES(1)")
    } catch {
      findings.databaseProblem = error.message
      return
    }
    defer { connection.close() }
    guard let lock = try? LockFile(path(SecondProcess.lockName), protecting: "This test") else {
      findings.locksExclude = false
      return
    }
    guard let first = secondProcess(scratch).flatMap({ SecondProcess(exitCode: $0) }) else { return }
    lock.release()
    let second = secondProcess(scratch).flatMap { SecondProcess(exitCode: $0) }
    findings.locksExclude = !first.hasLock && second?.hasLock == true
    let numbers = (try? connection.rows("SELECT number FROM trial ORDER BY number"))?.compactMap(\.first?.integer)
    findings.databaseIsShared = first.hasUsedDatabase && second?.hasUsedDatabase == true && numbers == [1, 2, 2]
  }
}

/// What another process can do with the files of a test.
package struct SecondProcess: Hashable, Sendable {
  static let lockName = "lock"
  static let databaseName = "trial.db"
  /// Distinguishes its exit codes from those of a program that could not run the test.
  private static let base: Int32 = 64

  let hasLock: Bool
  let hasUsedDatabase: Bool

  /// Tries, in the folder of the test.
  package init(in folder: String) {
    hasLock = (try? LockFile("\(folder)/\(Self.lockName)", protecting: "This test")) != nil
    let connection = try? Connection("\(folder)/\(Self.databaseName)", journal: .asFound)
    defer { connection?.close() }
    let first = (try? connection?.firstRow("SELECT number FROM trial WHERE number = 1"))?.flatMap(\.first?.integer)
    let isWritten = (try? connection?.execute("INSERT INTO trial VALUES(2)")) != nil
    hasUsedDatabase = first == 1 && isWritten
  }

  init?(exitCode: Int32) {
    guard (Self.base..<Self.base + 4).contains(exitCode) else { return nil }
    hasLock = exitCode & 1 != 0
    hasUsedDatabase = exitCode & 2 != 0
  }

  /// How it tells the first process.
  package var exitCode: Int32 { Self.base + (hasLock ? 1 : 0) + (hasUsedDatabase ? 2 : 0) }
}
