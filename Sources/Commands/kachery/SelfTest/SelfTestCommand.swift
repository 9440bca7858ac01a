import APIModel
import Files
import Primitives
import Process
import SelfTest

extension Command {
  private static let secondProcess = Option(
    "--second-process", "FOLDER", "be the second process of a test that is running; the command calls itself so")

  /// `kachery selftest`
  static let selfTest = Command(
    name: "selftest", usage: "[FILE]",
    summary: "Tests whether disk, machine and programs do what kachery relies on.",
    details: """
      Tries in the storage directory what a node relies on (renames, links, locks between processes, databases, times,
      names, a socket, room and quota), and checks the machine, the versions of the programs and, if a daemon runs, what
      'kachery doctor' sees. That takes a few seconds and leaves nothing behind. Attach the output, or FILE, to a question:
      names of channels, tokens and passwords are replaced in it. Exits with 1 if something cannot work.
      """,
    options: [json, secondProcess],
    examples: ["kachery selftest", "kachery selftest selftest.txt"],
    run: { (arguments) throws(KacheryError) in
      if let folder = arguments.value("--second-process") {
        CurrentProcess.end(SecondProcess(in: folder).exitCode)
      }
      guard arguments.operands.count <= 1 else {
        throw KacheryError(.badRequest, "Unexpected argument '\(arguments.operands[1])'.")
      }
      let report = try SelfTestReport.make()
      let shown = arguments.has("--json") ? [report.json.compact] : report.lines(width: Console.pageWidth)
      Console.results(shown.map(report.hidingSecrets))
      if let path = arguments.operands.first {
        let lines = arguments.has("--json") ? shown : report.lines(width: 100)
        let text = lines.map { report.hidingSecrets($0) + "\n" }.joined()
        try FileSystem.replace(path, with: Array(text.utf8), permissions: 0o600)
        Console.note("Wrote \(path).")
      }
      return report.hasFailed ? .failed : .done
    })
}

/// The results of all tests.
struct SelfTestReport {
  private struct Group {
    let title: String
    let results: [SelfTestResult]
  }

  private let machine: [String]
  private let groups: [Group]
  /// Replaces secrets in a line.
  let hidingSecrets: (String) -> String

  var hasFailed: Bool { groups.flatMap(\.results).contains { $0.verdict == .failure } }

  // MARK: Testing

  static func make() throws(KacheryError) -> SelfTestReport {
    let client = (try? DaemonClient.connect()) ?? nil
    let local = client.flatMap { $0.isRemote ? nil : $0 }
    guard let directory = local?.storageDirectory ?? DaemonLog.ownDirectory else {
      throw KacheryError(.badConfiguration, "There is no home folder: set KACHERY_STORAGE_DIR to a folder.")
    }
    let probe = DirectoryProbe(directory: NodePlace.withoutSlash(directory))
    Interruption.expect(advice: "The test was ended; nothing is left of it.") {
      // The test may still be creating a file.
      for _ in 0..<5 where FileSystem.exists(probe.scratch) { try? FileSystem.removeTree(probe.scratch) }
    }
    let findings = probe.findings { folder in
      ProgramRun.output(of: CurrentProcess.program, orNamed: "kachery", ["selftest", "--second-process", folder])?.code
    }
    let checkup = client == nil ? nil : Result { () throws(KacheryError) in try Command.checkUp([]) }
    let place = FileSystem.exists(directory) ? "" : ", which does not exist yet; tested in \(probe.place)"
    let groups = [
      Group(title: "The storage directory \(directory)\(place)", results: findings.results),
      Group(title: "This machine", results: machineFindings.results),
      Group(title: "The programs", results: programs(try? checkup?.get().daemon?.version).results),
      Group(title: "The network, as kachery doctor sees it", results: network(checkup)),
    ]
    let redaction = ProblemReport.redaction(client, try? Command.settingsInEffect().report)
    return SelfTestReport(
      machine: ProblemReport.machine(), groups: groups, hidingSecrets: { redaction.applied(to: $0.printable) })
  }

  private static var machineFindings: MachineFindings {
    let temporary = Environment["TMPDIR"] ?? "/tmp"
    var findings = MachineFindings(time: .now, temporaryFolder: temporary)
    findings.openFiles = FileSystem.raiseDescriptorLimit()
    findings.memory = kilobytes("MemTotal:")
    findings.availableMemory = kilobytes("MemAvailable:")
    if let list = try? FileSystem.read("/proc/cpuinfo", limit: 4 << 20) {
      let text = String(decoding: list.prefix(64 << 10), as: UTF8.self)
      findings.hashesInHardware = text.contains(bytesOf: " sha_ni") || text.contains(bytesOf: " sha1")
    }
    findings.newFilePermissions = FileSystem.newFilePermissions
    do throws(KacheryError) { try FileSystem.tryWriting(in: temporary) } catch {
      findings.temporaryProblem = error.message
    }
    return findings
  }

  private static func kilobytes(_ name: String) -> UInt64? {
    let list = (try? FileSystem.read("/proc/meminfo", limit: 64 << 10)) ?? []
    let line = String(decoding: list, as: UTF8.self).parts(separatedBy: "\n").first { $0.begins(with: name) }
    let number = line?.parts(separatedBy: " ", omittingEmpty: true).dropFirst().first
    return number.flatMap { UInt64($0) }.map { $0 * 1_024 }
  }

  private static func programs(_ running: String?) -> ProgramFindings {
    func version(_ path: String?, _ name: String, _ arguments: [String], _ prefix: String) -> ProgramFindings.Found {
      guard let (code, text) = ProgramRun.output(of: path, orNamed: name, arguments), code == 0,
        let rest = text.removing(prefix: prefix)
      else { return .missing }
      return .version(String(rest.parts(separatedBy: "\n")[0].parts(separatedBy: " ")[0]))
    }
    let beside = "\(CurrentProcess.program.cut(atLast: "/").head)/kacheryd"
    return ProgramFindings(
      own: APIVersion.daemon, daemonProgram: version(beside, "kacheryd", ["--version"], "kacheryd "),
      runningDaemon: running.map { .version($0) } ?? .missing,
      python: version(
        nil, "python3", ["-c", "import kachery_p2p; print('kachery_p2p', kachery_p2p.__version__)"], "kachery_p2p "))
  }

  /// What the doctor has found, if there is a daemon that can look.
  private static func network(_ checkup: Result<Checkup, KacheryError>?) -> [SelfTestResult] {
    switch checkup {
    case nil:
      return [
        SelfTestResult(
          "doctor", .skipped, "no daemon runs, so this was not tested", "Start one, and run kachery selftest again.")
      ]
    case .failure(let error): return [SelfTestResult("doctor", .skipped, error.message)]
    case .success(let checkup):
      let findings = checkup.findings
      guard !findings.isEmpty else { return [SelfTestResult("doctor", .ok, "all is well")] }
      return findings.map {
        SelfTestResult("doctor", $0.severity == .problem ? .failure : .warning, $0.summary, $0.remedy)
      }
    }
  }

  // MARK: Showing

  var json: JSONValue {
    [
      "failed": .bool(hasFailed),
      "groups": .array(
        groups.map { ["title": .string($0.title), "results": .array($0.results.map(\.json))] }),
    ]
  }

  func lines(width: Int) -> [String] {
    var lines = ["kachery selftest of \(Day(seconds: Int(WallTime.now.milliseconds / 1_000))) UTC"]
    lines += machine.flatMap { Paragraph.lines($0.printable, width: width, first: "  ", rest: "    ") }
    let column = (groups.flatMap(\.results).map(\.name.count).max() ?? 0) + 2
    for group in groups {
      lines += [""] + Paragraph.lines("\(group.title):".printable, width: width)
      for result in group.results {
        let head = "  \(Self.mark(result.verdict))\(result.name)"
        let indent = String(repeating: " ", count: 8 + column)
        let gap = String(repeating: " ", count: max(2, column - result.name.count))
        lines += Paragraph.lines(result.text.printable, width: width, first: head + gap, rest: indent)
        guard let remedy = result.remedy else { continue }
        lines += Paragraph.lines("→ \(remedy)".printable, width: width, first: indent, rest: "\(indent)  ")
      }
    }
    return lines + ["", summary]
  }

  private static func mark(_ verdict: SelfTestResult.Verdict) -> String {
    switch verdict {
    case .ok: "ok    "
    case .warning: "note  "
    case .failure: "FAIL  "
    case .skipped: "-     "
    }
  }

  private var summary: String {
    let all = groups.flatMap(\.results)
    func count(_ verdict: SelfTestResult.Verdict) -> Int { all.filter { $0.verdict == verdict }.count }
    let (failures, warnings, skipped) = (count(.failure), count(.warning), count(.skipped))
    var parts = ["\(count(.ok)) ok"]
    if warnings > 0 { parts.append("\(warnings) to note") }
    if failures > 0 { parts.append("\(failures) failed") }
    if skipped > 0 { parts.append("\(skipped) not tested") }
    let verdict = failures > 0 ? "Something cannot work as it is." : "kachery can work here."
    return "\(parts.joined(separator: ", ")). \(verdict)"
  }
}
