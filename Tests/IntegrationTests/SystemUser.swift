import Foundation
import Testing

/// Another user of this machine, by number: a process can run as a user without an account.
struct SystemUser {
  let number: UInt32
  /// The user's supplementary groups, by number.
  let groups: [UInt32]
  /// The folder with copies of the programs: other users may not enter the build folder.
  private let programs: String

  /// - Throws: if the tests do not run as root; a test that creates a user needs the trait `.asRoot`.
  init(_ number: UInt32, groups: [UInt32] = [], programs: String) throws {
    try #require(geteuid() == 0, "This test acts as several users, which only root may; it lacks the trait .asRoot.")
    self.number = number
    self.groups = groups
    self.programs = programs
    let manager = FileManager.default
    guard !manager.fileExists(atPath: programs) else { return }
    try manager.createDirectory(atPath: programs, withIntermediateDirectories: true)
    for name in ["kachery", "kacheryd"] {
      try manager.copyItem(atPath: RunningDaemon.programs.appending(path: name).path, toPath: "\(programs)/\(name)")
    }
    for name in ["kachery-store", "kachery-load", "kachery-cat", "kachery-info"] {
      try manager.createSymbolicLink(atPath: "\(programs)/\(name)", withDestinationPath: "kachery")
    }
  }

  /// Creates a folder that belongs to this user and that everyone may enter.
  func makeHome(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    #expect(chown(path, number, number) == 0)
    #expect(chmod(path, 0o755) == 0)
  }

  /// Configures a process to run one of the programs, or a system program, as this user.
  func prepare(_ process: Process, _ program: String, _ arguments: [String]) {
    let own = "\(programs)/\(program)"
    process.executableURL = URL(filePath: "/usr/bin/setpriv")
    process.arguments =
      ["--reuid", "\(number)", "--regid", "\(number)"]
      + (groups.isEmpty ? ["--clear-groups"] : ["--groups", groups.map(String.init).joined(separator: ",")])
      // With the most careless umask.
      + ["--", "/bin/sh", "-c", "umask 000; exec \"$0\" \"$@\""]
      + [FileManager.default.fileExists(atPath: own) ? own : program] + arguments
  }

  /// Runs a program to its end; returns its exit code and output.
  func run(
    _ program: String, _ arguments: [String], in folder: String, environment: [String: String] = [:]
  ) throws -> (code: Int32, output: String, errors: String) {
    let process = Process()
    prepare(process, program, arguments)
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder].merging(environment) { _, own in own }
      .merging(RunningDaemon.sanitizerOptions) { own, _ in own }
    process.currentDirectoryURL = URL(filePath: folder)
    return try finish(process)
  }
}
