import Daemon
import Glibc

exit(await DaemonCommand.run(Array(CommandLine.arguments.dropFirst())))
