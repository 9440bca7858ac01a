import Daemon

DaemonCommand.runAndEnd(Array(CommandLine.arguments.dropFirst()))
