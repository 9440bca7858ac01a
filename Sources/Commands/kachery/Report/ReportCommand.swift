import APIModel
import Diagnostics
import Files
import Primitives
import Process
import Settings

extension Command {
  /// `kachery report`
  static let report = Command(
    name: "report", usage: "[FILE]", summary: "Writes what a person who helps needs to know, without secrets.",
    details: """
      Prints the versions, the settings, what 'kachery doctor' finds, the linked nodes and the end of the daemon's log,
      and on a terminal asks before it writes them to FILE (kachery-report.txt). Names of channels, tokens, invites and
      passwords are replaced; addresses, labels and IDs of nodes stay. Without a terminal, it writes FILE if one is given.
      """,
    options: [Option("--yes", nil, "write the file without asking")],
    examples: ["kachery report", "kachery report --yes report.txt"],
    run: { (arguments) throws(KacheryError) in
      guard arguments.operands.count <= 1 else {
        throw KacheryError(.badRequest, "Unexpected argument '\(arguments.operands[1])'.")
      }
      let text = try ProblemReport.make().lines.joined(separator: "\n")
      Console.results([text])
      let path = arguments.operands.first ?? "kachery-report.txt"
      guard !arguments.operands.isEmpty || Console.isInteractive || arguments.has("--yes"),
        arguments.has("--yes") || Console.confirms("Write this to \(path)?")
      else { return .done }
      try FileSystem.replace(path, with: Array("\(text)\n".utf8), permissions: 0o600)
      Console.note("Wrote \(path).")
      return .done
    })
}

/// What is known about a node and its machine, without secrets.
struct ProblemReport {
  /// Most lines of the log.
  private static let logLines = 200

  let lines: [String]

  /// Collects what can be collected: a part that fails says why.
  static func make() throws(KacheryError) -> ProblemReport {
    let client = try? DaemonClient.connect()
    let settings = Result { () throws(KacheryError) in try Command.settingsInEffect() }
    let redaction = redaction(client ?? nil, try? settings.get().report)
    var lines = ["kachery report of \(Day(seconds: Int(WallTime.now.milliseconds / 1_000)))", ""]
    lines += ["Machine"] + machine() + [""]
    lines += ["Settings"] + part { () throws(KacheryError) in try settings.get().lines } + [""]
    lines += ["Doctor"] + part { () throws(KacheryError) in try Command.checkupLines(width: 100) } + [""]
    lines += ["Linked nodes"] + part { () throws(KacheryError) in try peers(client ?? nil) } + [""]
    lines += ["Log"] + part { () throws(KacheryError) in try log(client ?? nil) }
    return ProblemReport(lines: lines.map { redaction.applied(to: $0.printable) })
  }

  /// What is replaced in a report: the names of channels, tokens, invites, passwords and the home folder.
  static func redaction(_ client: DaemonClient?, _ settings: SettingsReport?) -> Redaction {
    var redaction = Redaction()
    if let home = Environment.home { redaction.hide(home, as: "~") }
    for (number, name) in channelNames(client, settings).enumerated() {
      redaction.hide(word: name, as: "(channel \(number + 1))")
    }
    return redaction
  }

  private static func part(_ body: () throws(KacheryError) -> [String]) -> [String] {
    do throws(KacheryError) { return try body().map { "  \($0)" } } catch { return ["  \(error.message)"] }
  }

  /// The names of the joined channels, and those in the settings.
  private static func channelNames(_ client: DaemonClient?, _ settings: SettingsReport?) -> [String] {
    var names = Set(client?.probe.joinedChannels.map(\.address) ?? [])
    for entry in settings?.entries ?? [] where ["channel", "introduceOnly", "gatewayChannel"].contains(entry.name) {
      for part in "\(entry.value),\(entry.pending ?? "")".parts(separatedBy: ",") {
        let name = String(part.removing(prefix: " ") ?? part)
        if !name.isEmpty, ByteString(name) != "none", NodeID(hex: name) == nil { names.insert(ByteString(name)) }
      }
    }
    return names.sorted().map(\.text)
  }

  /// The versions of the program and of the system.
  static func machine() -> [String] {
    func first(_ path: String, _ prefix: String = "") -> String {
      let text = (try? FileSystem.read(path, limit: 64 << 10)).map { String(decoding: $0, as: UTF8.self) } ?? ""
      let line = text.parts(separatedBy: "\n").first { $0.begins(with: prefix) && !$0.isEmpty }
      return String(line?.removing(prefix: prefix) ?? "unknown")
    }
    return [
      "kachery \(APIVersion.daemon), peer protocol \(APIVersion.peerProtocol)",
      "system: \(first("/etc/os-release", "PRETTY_NAME="))", "kernel: \(first("/proc/version"))",
      "memory:\(first("/proc/meminfo", "MemTotal:"))",
      "congestion control: \(first("/proc/sys/net/ipv4/tcp_congestion_control"))",
    ].map { "  \($0)" }
  }

  private static func peers(_ client: DaemonClient?) throws(KacheryError) -> [String] {
    guard let client else { throw KacheryError(.noDaemon, "No daemon answers.") }
    let answer = try client.get("/v1/peers")
    let list = PeerList(peers: answer["peers"]?.array ?? [])
    return [list.summary] + list.lines(width: 100) + NoticeList(answer).lines(width: 100)
  }

  /// The end of the log, or where it is.
  private static func log(_ client: DaemonClient?) throws(KacheryError) -> [String] {
    guard let directory = client?.storageDirectory ?? DaemonLog.ownDirectory else {
      return ["There is no home folder."]
    }
    let log = DaemonLog(directory: directory)
    let failure = client == nil ? log.failedStart.map { [$0] } ?? [] : []
    guard let path = client == nil ? log.file : log.readablePlace else {
      let place = log.place.map { "It goes to \($0)." } ?? "It goes to the daemon's standard error."
      return failure + ["\(place) Add its last lines, without the names of channels."]
    }
    return failure + (try DaemonLog.end(of: path).parts(separatedBy: "\n").suffix(logLines).map { String($0) })
  }
}
