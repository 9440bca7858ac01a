import APIModel
import Crypto
import Files
import Invitations
import Primitives
import Process
import Settings

/// What `kachery setup` is to do: from its options, or from answers on the terminal.
struct SetupPlan {
  /// How the daemon is started.
  enum Start: String, CaseIterable {
    /// As a service of this user's systemd.
    case user
    /// As the system's service.
    case system
    /// In the background, until the machine is restarted.
    case background
  }

  /// The storage directory of the system's service.
  static let systemDirectory = "/var/lib/kachery/storage"

  var directory: String
  var label: String?
  /// The name or the address of a channel, or an invite; nil to join none.
  var channel: String?
  var bootstraps: [String]
  var start: Start

  init(_ arguments: Arguments) throws(KacheryError) {
    if let extra = arguments.operands.first { throw KacheryError(.badRequest, "Unexpected argument '\(extra)'.") }
    start = UserService.isPossible ? .user : .background
    if let text = arguments.value("--service") {
      guard let named = Start.allCases.first(where: { ByteString($0.rawValue) == ByteString(text) }) else {
        throw KacheryError(.badRequest, "--service: '\(text)' is not user, system or background.")
      }
      guard named != .user || UserService.isPossible else {
        throw KacheryError(
          .badRequest, "--service: this user has no systemd of its own here; use background, or system as root.")
      }
      start = named
    }
    let usual = start == .system ? Self.systemDirectory : DaemonLog.ownDirectory
    guard let directory = try arguments.value("--storage").map(Self.absolute) ?? usual else {
      throw KacheryError(.badRequest, "There is no home folder: name the storage directory with --storage.")
    }
    self.directory = directory
    label = arguments.value("--label")
    bootstraps = arguments.allValues("--bootstrap")
    channel = arguments.value("--channel")
    if arguments.has("--new-channel") {
      guard channel == nil else {
        throw KacheryError(.badRequest, "--channel and --new-channel name two channels; leave one out.")
      }
      channel = try Self.newChannel()
    }
    try check()
  }

  /// Asks for what the options leave open. An empty answer takes what is in brackets.
  mutating func ask(_ arguments: Arguments) throws(KacheryError) {
    if start != .system, arguments.value("--storage") == nil {
      try Self.askUntilRight("Storage directory", suggestion: directory) { (answer) throws(KacheryError) in
        directory = try Self.absolute(answer)
      }
    }
    let known = (try? SettingsFile(in: directory)) ?? SettingsFile()
    if arguments.value("--label") == nil {
      let current = known.entries[.label]?.texts.last ?? CurrentProcess.hostName
      try Self.askUntilRight("Name that other nodes see", suggestion: current) { (answer) in
        label = ByteString(answer) == ByteString(current) ? nil : answer
      }
    }
    if channel == nil {
      try Self.askUntilRight(
        "Channel: a name, an address, an invite, 'new' for a new one, or 'none'", suggestion: "none"
      ) { (answer) throws(KacheryError) in
        channel =
          switch ByteString(answer) {
          case "none": nil
          case "new": try Self.newChannel()
          default: answer
          }
        try check()
      }
    }
    if bootstraps.isEmpty, !(channel.map { Invite.isMeant(by: $0) } ?? false) {
      let current = known.entries[.bootstrap]?.texts.joined(separator: ", ")
      try Self.askUntilRight(
        current == nil
          ? "Bootstrap node, HOST:PORT, or 'none' for nodes in this network only"
          : "A further bootstrap node, HOST:PORT",
        suggestion: "none"
      ) { (answer) throws(KacheryError) in
        bootstraps = ByteString(answer) == "none" ? [] : [answer]
        try check()
      }
    }
  }

  private static func askUntilRight(
    _ question: String, suggestion: String, _ take: (String) throws(KacheryError) -> Void
  ) throws(KacheryError) {
    while true {
      Console.show("\(question) [\(suggestion)]: ")
      guard let answer = readLine() else {
        throw KacheryError(.badRequest, "The input has ended; nothing was set up.")
      }
      do throws(KacheryError) { return try take(answer.isEmpty ? suggestion : answer) } catch {
        Console.note(error.message)
      }
    }
  }

  private func check() throws(KacheryError) {
    if let label, let problem = SettingsFile.problem(in: [label], of: .label) {
      throw KacheryError(.badRequest, "--label: \(problem).")
    }
    for text in bootstraps where Address(bootstrap: text) == nil {
      throw KacheryError(.badRequest, "--bootstrap: '\(text)' is not an address; write HOST:PORT or wss://HOST.")
    }
    guard let channel, !Invite.isMeant(by: channel) else {
      if let channel { _ = try Invite(channel) }
      return
    }
    try JoinedChannel.requireJoinable(Command.absolute(channel))
  }

  /// A name that cannot be guessed.
  private static func newChannel() throws(KacheryError) -> String {
    "lab-\(Hex.encode(SecureRandom.bytes(8)))"
  }

  private static func absolute(_ path: String) throws(KacheryError) -> String {
    guard !path.isEmpty else { throw KacheryError(.badRequest, "--storage: the name of the folder is empty.") }
    if path.begins(with: "~/"), let home = Environment.home { return "\(home)/\(path.dropFirst(2))" }
    guard !path.begins(with: "/") else {
      return path == "/" ? path : path.removing(suffix: "/").map { String($0) } ?? path
    }
    return "\(try FileSystem.resolved("."))/\(path)"
  }

  /// What will be done, in lines.
  var lines: [String] {
    var lines = ["Storage directory: \(directory)"]
    if let label { lines.append("Name:              \(label)") }
    if let channel {
      lines.append("Channel:           \(Invite.isMeant(by: channel) ? "that of the invite" : channel)")
    }
    if !bootstraps.isEmpty { lines.append("Bootstrap nodes:   \(bootstraps.joined(separator: ", "))") }
    let kind =
      switch start {
      case .user: "as a service of this user, with systemd"
      case .system: "as the system's service 'kachery'"
      case .background: "in the background, until the machine is restarted"
      }
    return lines + ["The daemon runs \(kind)."]
  }
}
