import Primitives

/// Published commands that no longer do anything; they succeed so that older scripts keep working.
extension Command {
  static let discontinued: [Command] = [
    nothing(
      "config-ephemeral-node", "Used to set up an ephemeral node of a service that no longer exists.",
      "There is nothing to set up: to work without a daemon, set KACHERY_OFFLINE_STORAGE_DIR to a folder."),
    .log,
  ]

  private static func nothing(_ name: String, _ summary: String, _ advice: String) -> Command {
    Command(name: name, usage: "", summary: "\(summary) \(advice)", examples: ["kachery --help"]) { _ in
      Console.note("Note: \(advice)")
      return .done
    }
  }
}
