import APIModel
import Files
import Invitations
import Primitives
import Process
import Settings
import Terminal

extension Command {
  /// `kachery setup`
  static let setup = Command(
    name: "setup", usage: "[OPTION…]", summary: "Sets up a node: storage directory, service, channel.",
    details: """
      On a terminal, it asks for what the options leave open; with --yes, and in scripts, it asks nothing. It writes
      kachery.yaml in the storage directory, keeping what is there, starts the daemon, joins the channel, and prints the
      invite with which a colleague joins it. Running it again changes only what is different.
      """,
    options: [
      Option(
        "--storage", "FOLDER",
        "the storage directory (~/kachery-storage; of the system's service: \(SetupPlan.systemDirectory))"),
      Option("--label", "NAME", "the name that other nodes see (the host's name)"),
      Option("--channel", "NAME-OR-URL", "the channel to join, or an invite"),
      Option("--new-channel", nil, "join a new channel with a name that cannot be guessed"),
      Option("--bootstrap", "HOST:PORT", "a bootstrap node that introduces other nodes, or wss://HOST; repeatable"),
      Option(
        "--service", "KIND",
        "user: a service of this user; system: that of the machine, as root; background: none, until the next restart"),
      Option("--yes", nil, "ask nothing, and replace settings that are different"),
    ],
    examples: [
      "kachery setup", "kachery setup --yes --new-channel --bootstrap lab.example.org:14507",
      "sudo kachery setup --yes --service system --label lab-server",
    ],
    run: { (arguments) throws(KacheryError) in
      var plan = try SetupPlan(arguments)
      guard plan.start != .system || FileSystem.user == 0 else {
        throw KacheryError(
          .permissionDenied, "Only root sets up the system's service: sudo kachery setup --service system …")
      }
      let asks = !arguments.has("--yes") && Terminal(descriptor: FileStream.standardInput.descriptor).isInteractive
      if asks {
        try plan.ask(arguments)
        for line in plan.lines { Console.note(line) }
        guard Console.confirms("Set this up?") else {
          Console.note("Nothing was set up.")
          return .failed
        }
      }
      let setup = Setup(plan: plan) { question in asks ? Console.confirms(question) : arguments.has("--yes") }
      return try setup.run()
    })
}

/// Carries out a plan, and says what it does.
struct Setup {
  /// How long a start may take, in seconds.
  private static let patience = 60.0

  let plan: SetupPlan
  /// Asks whether something that is there may be replaced; false in scripts without `--yes`.
  let mayReplace: (String) -> Bool

  private var file: String { "\(plan.directory)/\(SettingsFile.name)" }

  func run() throws(KacheryError) -> ExitCode {
    // For the daemon, and for the commands that this one calls.
    Environment.set("KACHERY_STORAGE_DIR", to: plan.directory)
    var running = try DaemonClient.inDirectory(plan.directory)
    if running == nil, plan.start == .system {
      // The service creates its directory itself, as its own user.
      try startSystemService()
      running = try waitForDaemon()
    }
    let wasRunning = running != nil
    let changed = try writeSettings()
    let client: DaemonClient
    if let running {
      client = try restart(running, if: changed)
    } else {
      try start()
      client = try waitForDaemon()
    }
    Console.note("The daemon runs with the node ID \(client.probe.node), and keeps files in \(plan.directory).")
    let code = try join(client, wasRunning: wasRunning)
    noteEnvironment()
    return code
  }

  // MARK: Settings

  /// Writes what the plan sets; returns the names that were changed.
  private func writeSettings() throws(KacheryError) -> [SettingName] {
    if !FileSystem.exists(plan.directory) {
      try FileSystem.createFolder(plan.directory, permissions: 0o755)
      Console.note("Created the storage directory \(plan.directory).")
    }
    let isThere = try FileSystem.statusIfPresent(file) != nil
    let old = isThere ? try FileSystem.read(file, limit: 1 << 20) : []
    let known = try SettingsFile(yaml: old)
    for finding in known.findings { Console.note("\(file), \(finding.description)") }
    var edit = try SettingsEdit(old)
    var changed: [SettingName] = []
    if let label = plan.label { try set(.label, to: [label], known, &edit, &changed) }
    if !plan.bootstraps.isEmpty {
      // A list grows: nothing in it is replaced.
      let earlier = known.entries[.bootstrap]?.texts ?? []
      let new = plan.bootstraps.filter { !Set(earlier.map { ByteString($0) }).contains(ByteString($0)) }
      if !new.isEmpty { try set(.bootstrap, to: earlier + new, known, &edit, &changed, asks: false) }
    }
    guard !changed.isEmpty else { return [] }
    let permissions = isThere ? try FileSystem.status(file).permissions & 0o777 : 0o644
    try FileSystem.replace(file, with: edit.bytes, permissions: permissions)
    Console.note("Wrote \(file): \(changed.map(\.rawValue).joined(separator: ", ")).")
    return changed
  }

  private func set(
    _ name: SettingName, to texts: [String], _ known: SettingsFile, _ edit: inout SettingsEdit,
    _ changed: inout [SettingName], asks: Bool = true
  ) throws(KacheryError) {
    let (old, shown) = (known.entries[name], texts.joined(separator: ", "))
    guard old?.texts.map({ ByteString($0) }) != texts.map({ ByteString($0) }) else { return }
    if asks, let old {
      let before = old.texts.joined(separator: ", ")
      let place = "\(name.rawValue) is '\(before)' in \(file), line \(old.line)"
      guard mayReplace("\(place); replace it with '\(shown)'?") else {
        throw KacheryError(.forbidden, "\(place), and was left so; --yes replaces it with '\(shown)'.")
      }
    }
    try edit.set(name, to: texts)
    changed.append(name)
  }

  // MARK: The daemon

  private func start() throws(KacheryError) {
    switch plan.start {
    case .user: try UserService(directory: plan.directory).start(mayReplace: mayReplace)
    case .system: try startSystemService()
    case .background:
      let beside = "\(CurrentProcess.program.cut(atLast: "/").head)/kacheryd"
      try FileSystem.createFolder("\(plan.directory)/kachery-node", permissions: 0o755)
      // The reason of an earlier failure would be taken for one of this start.
      try? FileSystem.remove("\(plan.directory)/\(APIVersion.failedStartName)")
      try ProgramRun.startDetached(beside, orNamed: "kacheryd")
      Console.note("Started the daemon in the background; its log is \(plan.directory)/\(APIVersion.logName).")
    }
  }

  private func startSystemService() throws(KacheryError) {
    guard ProgramRun.exitCode(of: "systemctl", ["enable", "--now", "kachery"]) == 0 else {
      throw KacheryError(
        .failedToStart,
        "The service 'kachery' was not started: is it installed (make install-service, or the Debian package)? See "
          + "'systemctl status kachery'.")
    }
    Console.note("The service 'kachery' runs now, and starts with the machine.")
  }

  /// Restarts a service that this command manages, so that it takes over what was written.
  private func restart(_ client: DaemonClient, if changed: [SettingName]) throws(KacheryError) -> DaemonClient {
    Console.note("The daemon of \(plan.directory) runs already.")
    guard !changed.isEmpty else { return client }
    let scope = plan.start == .user ? ["--user"] : []
    guard plan.start != .background,
      ProgramRun.exitCode(of: "systemctl", scope + ["is-active", "--quiet", "kachery"], isQuiet: true) == 0,
      ProgramRun.exitCode(of: "systemctl", scope + ["restart", "kachery"]) == 0
    else {
      Console.note("What was written takes effect when the daemon is restarted.")
      return client
    }
    return try waitForDaemon()
  }

  /// Waits until the daemon answers.
  private func waitForDaemon() throws(KacheryError) -> DaemonClient {
    let start = SteadyClock.seconds
    let log = DaemonLog(directory: plan.directory)
    while SteadyClock.seconds - start < Self.patience {
      if let client = try? DaemonClient.inDirectory(plan.directory) { return client }
      if let failure = log.failedStart { throw KacheryError(.failedToStart, "The daemon did not start. \(failure)") }
      SteadyClock.sleep(for: .milliseconds(100))
    }
    throw KacheryError(
      .failedToStart, "The daemon did not answer within \(Int(Self.patience)) s; see \(log.place ?? "its log").")
  }

  // MARK: The channel

  private func join(_ client: DaemonClient, wasRunning: Bool) throws(KacheryError) -> ExitCode {
    var code = ExitCode.done
    if let channel = plan.channel {
      code = try Command.channelJoin.run(
        Arguments([channel], options: Command.channelJoin.options, caller: "kachery channel join"))
    }
    let joined = try Command.joinedChannels(client)
    guard let shared = plan.channel.flatMap({ named($0, among: joined) }) ?? (joined.count == 1 ? joined[0] : nil)
    else {
      Console.note(
        joined.isEmpty
          ? "No channel is joined; 'kachery channel join' or 'kachery join' joins one."
          : "'kachery invite CHANNEL' prints an invite for a colleague.")
      return code
    }
    guard !Following.isLocal(shared.address) else { return code }
    Console.note("A colleague joins with: kachery setup --channel INVITE, or kachery join INVITE. The invite:")
    let invite = Command.invite
    let options = plan.bootstraps.flatMap { ["--bootstrap", $0] }
    // A daemon that was not restarted does not use the bootstrap nodes yet, so that they are named.
    let words = (wasRunning ? options : []) + ["--", shared.address.text]
    let printed = try invite.run(try Arguments(words, options: invite.options, caller: "kachery invite"))
    return printed == .done ? code : code.joined(by: printed)
  }

  private func named(_ channel: String, among joined: [JoinedChannel]) -> JoinedChannel? {
    let address = Invite.isMeant(by: channel) ? (try? Invite(channel))?.channel : Command.absolute(channel)
    return address.map(JoinedChannel.followingLatest).flatMap { wanted in joined.first { $0.address == wanted } }
  }

  /// Says how the other commands find a directory that is not the usual one.
  private func noteEnvironment() {
    guard let home = Environment.home, ByteString(plan.directory) != ByteString("\(home)/kachery-storage"),
      plan.start != .system
    else { return }
    Console.note("Other programs find this node with: export KACHERY_STORAGE_DIR='\(plan.directory)' (in ~/.profile)")
  }
}
