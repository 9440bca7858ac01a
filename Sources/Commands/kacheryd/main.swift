import Daemon
import Foundation

exit(await DaemonCommand.run(Array(CommandLine.arguments.dropFirst())))
