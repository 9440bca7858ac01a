package import Primitives

/// What was found out about the machine and the programs on it, before it is judged.
package struct MachineFindings: Hashable, Sendable {
  /// Most files and connections that a daemon may have open.
  package var openFiles = 0
  /// In bytes; nil if unknown.
  package var memory: UInt64?
  package var availableMemory: UInt64?
  package var time: WallTime
  /// Whether the processor computes SHA-1 by instructions of its own; nil if unknown.
  package var hashesInHardware: Bool?
  /// The permissions that a new file of this user has.
  package var newFilePermissions: UInt32 = 0o644
  /// The folder for temporary files, and why it takes none; nil if it does.
  package var temporaryFolder: String
  package var temporaryProblem: String?

  package init(time: WallTime, temporaryFolder: String) {
    (self.time, self.temporaryFolder) = (time, temporaryFolder)
  }

  private static let fewFiles = 4_096
  private static let littleMemory: UInt64 = 200_000_000
  /// 2026-11-01, before which there was no such program, and 2100-01-01.
  private static let plausible = 1_793_491_200_000...4_102_444_800_000 as ClosedRange<UInt64>

  /// What the findings mean.
  package var results: [SelfTestResult] { [files, room, clock, processor, umask, temporary].compactMap { $0 } }

  private var files: SelfTestResult {
    let text = "\(Quantity.count(openFiles)) at most"
    guard openFiles < Self.fewFiles else { return .ok("open files", text) }
    return SelfTestResult(
      "open files", .warning, text,
      "A daemon with many clients or peers refuses some of them. Raise the hard limit: ulimit -Hn, or LimitNOFILE= of the "
        + "service.")
  }

  private var room: SelfTestResult? {
    guard let memory, let availableMemory else { return nil }
    let text = "\(Quantity.bytes(Double(availableMemory))) available of \(Quantity.bytes(Double(memory)))"
    guard availableMemory < Self.littleMemory else { return .ok("memory", text) }
    return SelfTestResult(
      "memory", .warning, text,
      "A daemon that serves several nodes may be ended by the system. Close other programs, or lower maxTransfers.")
  }

  private var clock: SelfTestResult {
    guard Self.plausible.contains(time.milliseconds) else {
      return SelfTestResult(
        "clock", .failure, "it shows a time that cannot be",
        "Other nodes reject what this one announces, and certificates look invalid. Set the clock, or turn on NTP: "
          + "timedatectl set-ntp true.")
    }
    return .ok("clock", "it shows a plausible time; others' clocks are compared by kachery doctor")
  }

  private var processor: SelfTestResult? {
    hashesInHardware.map {
      .ok(
        "processor",
        $0 ? "computes hashes by instructions of its own" : "computes hashes without instructions of its own, slower")
    }
  }

  private var umask: SelfTestResult {
    let text = "new files get mode \(String(newFilePermissions, radix: 8))"
    guard newFilePermissions & 0o600 == 0o600 else {
      return SelfTestResult(
        "umask", .failure, "\(text), which their owner cannot use",
        "Set a umask that leaves the owner's bits: umask 022.")
    }
    guard newFilePermissions & 0o022 == 0 else {
      return SelfTestResult(
        "umask", .warning, "\(text), which others can change",
        "What kachery load --dest writes could be altered by others. Set umask 022; stored files and keys are private or "
          + "read-only whatever the umask.")
    }
    return .ok("umask", text)
  }

  private var temporary: SelfTestResult {
    guard let temporaryProblem else { return .ok("temporary files", "\(temporaryFolder) takes them") }
    return SelfTestResult(
      "temporary files", .warning, temporaryProblem,
      "kachery send and Python need a folder for temporary files. Set TMPDIR to one that takes files.")
  }
}

/// The versions of the programs that belong together.
package struct ProgramFindings: Hashable, Sendable {
  /// A version, or why there is none.
  package enum Found: Hashable, Sendable {
    case version(String)
    case missing
  }

  /// The version of this program.
  package var own: String
  /// Of the program `kacheryd` that a start would run.
  package var daemonProgram: Found
  /// Of the running daemon.
  package var runningDaemon: Found
  /// Of the package kachery_p2p of the Python that is called `python3`.
  package var python: Found

  package init(own: String, daemonProgram: Found, runningDaemon: Found, python: Found) {
    (self.own, self.daemonProgram) = (own, daemonProgram)
    (self.runningDaemon, self.python) = (runningDaemon, python)
  }

  /// What the findings mean.
  package var results: [SelfTestResult] {
    [
      .ok("kachery", own),
      judge(
        "kacheryd", daemonProgram, isRequired: true, missing: "not found beside kachery or on the PATH",
        "The daemon cannot be started. Install both programs from one release."),
      judge(
        "running daemon", runningDaemon, missing: "none answers",
        "It was started before an update. Restart it: kachery-p2p-stop-daemon, then kachery-p2p-start-daemon."),
      judge(
        "kachery_p2p", python, missing: "not installed for python3",
        "Install the Python package of the same release, or the other way round."),
    ]
  }

  private func judge(
    _ name: String, _ found: Found, isRequired: Bool = false, missing: String, _ remedy: String
  ) -> SelfTestResult {
    switch found {
    case .version(let version) where version.utf8.elementsEqual(own.utf8): .ok(name, version)
    case .version(let version):
      SelfTestResult(name, .warning, "\(version.printable), while kachery is \(own)", remedy)
    case .missing: SelfTestResult(name, isRequired ? .failure : .skipped, missing, isRequired ? remedy : nil)
    }
  }
}
