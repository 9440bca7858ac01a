import APIModel
import Files
import Primitives
import Process
import Settings

extension Command {
  /// `kachery config show`
  static let configShow = Command(
    name: "config show", usage: "", summary: "Shows every setting of the daemon, its value, and where it comes from.",
    details: """
      Asks the running daemon; without one, it shows what a start in this environment would use. An option counts before
      a variable, that before kachery.yaml in the storage directory, and that before the default. Passwords are not shown.
      """,
    options: [json], examples: ["kachery config show"],
    run: { (arguments) throws(KacheryError) in
      if let extra = arguments.operands.first { throw KacheryError(.badRequest, "Unexpected argument '\(extra)'.") }
      let settings = try settingsInEffect()
      let report = settings.report
      guard !arguments.has("--json") else {
        var fields = report.json.object ?? [:]
        fields["isRunning"] = .bool(settings.isRunning)
        Console.result(JSONValue.object(fields).compact)
        return .done
      }
      Console.results(settings.table)
      for problem in report.problems { Console.note(problem) }
      Console.note(settings.origin)
      return .done
    })

  /// The settings of the running daemon, or else those that a start in this environment would use.
  static func settingsInEffect() throws(KacheryError) -> SettingsInEffect {
    guard let running = try runningDaemon() else {
      return SettingsInEffect(report: try reportWithoutDaemon(), isRunning: false)
    }
    return SettingsInEffect(report: SettingsReport(json: try running.get("/v1/config")), isRunning: true)
  }

  /// The daemon on this machine; nil if none answers.
  private static func runningDaemon() throws(KacheryError) -> DaemonClient? {
    guard let client = try DaemonClient.connect() else { return nil }
    guard !client.isRemote else {
      throw KacheryError(.badRequest, "The daemon is on another machine; run this command there.")
    }
    return client
  }

  private static func reportWithoutDaemon() throws(KacheryError) -> SettingsReport {
    guard let directory = DaemonLog.ownDirectory else {
      throw KacheryError(.badConfiguration, "There is no home folder: set KACHERY_STORAGE_DIR to a folder.")
    }
    var (layers, findings) = SettingLayers.read(Environment.all)
    var problems = findings.map(\.description)
    do throws(KacheryError) {
      layers.file = try SettingsFile(in: directory)
      problems += layers.file.findings.map { "\(SettingsFile.name), \($0.description)" }
    } catch {
      problems.append(error.message)
    }
    return SettingsReport(
      layers, actual: [.storageDirectory: directory], file: "\(directory)/\(SettingsFile.name)", problems: problems)
  }

  /// `kachery config check`
  static let configCheck = Command(
    name: "config check", usage: "[FILE]", summary: "Looks for mistakes in kachery.yaml, before a restart.",
    details: """
      Names every mistake with its line and what helps. Without FILE, it reads kachery.yaml in the storage directory, and
      the variables of this environment as well. Needs no daemon. Exits with 0 if nothing is wrong, with 1 if something
      is, and with 2 if there is no such file.
      """,
    options: [json], examples: ["kachery config check", "kachery config check /var/lib/kachery/storage/kachery.yaml"],
    run: { (arguments) throws(KacheryError) in
      var findings: [SettingFinding] = []
      let path: String
      if arguments.operands.isEmpty {
        findings = SettingLayers.read(Environment.all).findings
        let running = ((try? DaemonClient.connect()) ?? nil).flatMap { $0.isRemote ? nil : $0.storageDirectory }
        guard let directory = running ?? DaemonLog.ownDirectory else {
          throw KacheryError(.badRequest, "There is no home folder: name the file.")
        }
        path = "\(directory)/\(SettingsFile.name)"
      } else {
        path = try arguments.operand("file")
        guard FileSystem.exists(path) else { throw KacheryError(.badRequest, "There is no file \(path).") }
      }
      let isThere = FileSystem.exists(path)
      do throws(KacheryError) {
        if isThere {
          let file = try SettingsFile(yaml: try FileSystem.read(path, limit: 1 << 20))
          findings += file.findings + file.ineffective
        }
      } catch {
        guard error.code == .badConfiguration || error.code == .tooLarge else { throw error }
        findings.append(SettingFinding(line: nil, setting: nil, text: error.message))
      }
      show(findings, of: path, isThere: isThere, arguments)
      return findings.isEmpty ? .done : .failed
    })

  private static func show(_ findings: [SettingFinding], of path: String, isThere: Bool, _ arguments: Arguments) {
    guard !arguments.has("--json") else {
      let list = findings.map { finding in
        [
          "line": finding.line.map { .integer(Int64($0)) } ?? .null,
          "setting": finding.setting.map { .string($0.rawValue) } ?? .null, "problem": .string(finding.text),
        ] as JSONValue
      }
      return Console.result((["file": .string(path), "findings": .array(list)] as JSONValue).compact)
    }
    Console.results(findings.map { $0.line == nil ? $0.description : "\(path), \($0.description)" })
    guard findings.isEmpty else {
      return Console.note("\(findings.count) mistake\(findings.count == 1 ? "" : "s").")
    }
    Console.note(
      isThere
        ? "\(path): nothing is wrong." : "There is no \(path), and none is needed: every setting has a default.")
  }
}

/// The settings of a daemon, as lines for people.
struct SettingsInEffect {
  let report: SettingsReport
  /// Whether they are those of the running daemon.
  let isRunning: Bool

  /// Every setting, its value, and where it comes from.
  var table: [String] {
    TextTable(
      heads: ["SETTING", "VALUE", "FROM"],
      rows: report.entries.map { entry in
        [entry.name, entry.value + (entry.pending.map { " (after a restart: \($0))" } ?? ""), entry.source]
      }
    ).lines
  }

  /// Whose settings they are, in one sentence, and the file.
  var origin: String {
    isRunning
      ? "These are the settings of the running daemon. File: \(report.file)"
      : "No daemon answers: a start without options, in this environment, would use these. File: \(report.file)"
  }

  /// All of it.
  var lines: [String] { [origin] + table + report.problems }
}
