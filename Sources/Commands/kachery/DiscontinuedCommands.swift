import Primitives

/// Published commands for which there is nothing to do any more: scripts that call them go on.
extension Command {
  static let discontinued: [Command] = [
    nothing(
      "config-ephemeral-node", "Did set up an ephemeral node of a service that is no more.",
      "There is nothing to set up: without a daemon, set KACHERY_OFFLINE_STORAGE_DIR to a folder."),
    nothing(
      "log", "Did print the daemon's log from a feed.",
      "The daemon writes its log where it was started; as a service: journalctl -u kacheryd."),
  ]

  private static func nothing(_ name: String, _ summary: String, _ advice: String) -> Command {
    Command(name: name, usage: "", summary: "\(summary) \(advice)", examples: ["kachery --help"]) { _ in
      Console.note("Note: \(advice)")
      return .done
    }
  }
}
