import Primitives

/// Finds the called command by any of its names, and runs it.
enum Program {
  /// The commands below `kachery`, as the overview lists them.
  static let sections: [(title: String, commands: [Command])] = [
    ("Files", [.store, .load, .cat, .link, .loadFolder, .find, .replicate, .explain]),
    ("The storage directory", [.list, .usage, .verify, .remove, .collect, .pin, .unpin, .backup, .restore]),
    ("A node of your own", [.setup]),
    ("One transfer", [.send, .receive]),
    ("Channels", [.invite, .join, .channelJoin, .channelLeave, .channelList, .channelReload]),
    (
      "Feeds",
      [
        .feedCreate, .feedList, .feedAppend, .feedRead, .feedTail, .feedInfo, .feedGrant, .feedRevoke, .feedSnapshot,
        .feedDelete, .printMessages,
      ]
    ),
    (
      "The daemon",
      [
        .daemonStart, .daemonStop, .daemonStatus, .daemonPeers, .top, .configShow, .configCheck, .doctor, .report,
        .selfTest, .info, .nodeInfo, .generateNodeID,
      ]
    ),
    ("This program", [.version, .completion, .manual]),
  ]

  /// Every command by its name below `kachery`.
  static let commands: [Command] = sections.flatMap(\.commands)

  /// The names of the published programs, each a link to this one, and the commands that they stand for.
  static let programs: [String: String] = [
    "kachery-store": "store", "kachery-load": "load", "kachery-cat": "cat", "kachery-link": "link",
    "kachery-info": "info", "kachery-ls": "ls", "kachery-load-dir": "load-dir",
    "kachery-generate-node-id": "generate-node-id", "kachery-config-ephemeral-node": "config-ephemeral-node",
    "kachery-p2p-log": "log",
    "kachery-p2p-store": "store", "kachery-p2p-load": "load", "kachery-p2p-cat": "cat", "kachery-p2p-link": "link",
    "kachery-p2p-find": "find", "kachery-p2p-join-channel": "channel join",
    "kachery-p2p-leave-channel": "channel leave", "kachery-p2p-get-channels": "channel list",
    "kachery-p2p-node-info": "node-info", "kachery-p2p-start-daemon": "daemon start",
    "kachery-p2p-stop-daemon": "daemon stop", "kachery-p2p-print-messages": "print-messages",
  ]

  /// The published programs with subcommands, and the commands that these stand for.
  static let publishedCommands: [String: [String: String]] = [
    "kachery-p2p": [
      "store-file": "store", "link-file": "link", "load-file": "load", "cat-file": "cat", "find-file": "find",
      "join-channel": "channel join", "leave-channel": "channel leave", "get-channels": "channel list",
      "node-info": "node-info", "start-daemon": "daemon start", "stop-daemon": "daemon stop", "version": "version",
      "log": "log", "print-messages": "print-messages",
    ],
    "kachery-daemon": ["start": "daemon start", "info": "node-info", "version": "version"],
    "kachery-client": [
      "store-file": "store", "link-file": "link", "load-file": "load", "cat-file": "cat", "info": "info",
      "generate-node-id": "generate-node-id", "config-ephemeral-node": "config-ephemeral-node", "version": "version",
    ],
  ]

  /// Runs the command that the arguments (including the program's name) call; returns the exit code.
  static func run(_ arguments: [String]) -> Int32 {
    let name = arguments.first.map { String($0.lastPathName) } ?? "kachery"
    let rest = Array(arguments.dropFirst())
    if let command = programs[name].flatMap({ find($0) }) { return run(command, rest, caller: name) }
    if let published = publishedCommands[name] {
      guard let first = rest.first, let command = published[first].flatMap({ find($0) }) else {
        return Overview(program: name, published: published).answer(rest)
      }
      return run(command, Array(rest.dropFirst()), caller: "\(name) \(first)")
    }
    for words in [2, 1] where rest.count >= words {
      let called = rest.prefix(words).joined(separator: " ")
      guard let command = commands.first(where: { $0.name == called }) else { continue }
      return run(command, Array(rest.dropFirst(words)), caller: "kachery \(called)")
    }
    if let group = rest.first.flatMap({ Overview(group: $0) }) { return group.answer(Array(rest.dropFirst())) }
    return Overview.ofEverything.answer(rest)
  }

  static func find(_ name: String) -> Command? { (commands + Command.discontinued).first { $0.name == name } }

  static func run(_ command: Command, _ arguments: [String], caller: String) -> Int32 {
    if arguments.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
      Console.result(command.help(calledAs: caller, width: Console.pageWidth))
      return ExitCode.done.rawValue
    }
    var isUsage = true
    do throws(KacheryError) {
      let taken = try Arguments(arguments, options: command.options, caller: caller)
      if !taken.has("--quiet") {
        for option in taken.ignored { Console.note("Note: \(option.name) has no effect: \(option.help).") }
      }
      // For a wrong operand, the error says more than the help.
      isUsage = taken.operands.isEmpty
      return try command.run(taken).rawValue
    } catch {
      Console.error(error.message)
      let code = ExitCode(error)
      if code == .wrongUsage, isUsage { Console.note("See \(caller) --help.") }
      return code.rawValue
    }
  }
}
