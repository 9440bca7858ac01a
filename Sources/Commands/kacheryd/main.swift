import Daemon

await DaemonCommand.runAndEnd(Array(CommandLine.arguments.dropFirst()))
