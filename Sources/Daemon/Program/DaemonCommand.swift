import Diagnostics
import EventLoop
import Files
import Primitives
import Process

/// The daemon as a program: reads its options, runs one node, and ends on a signal or when a client says so.
package enum DaemonCommand {
  /// Runs the daemon with these arguments (without the program's name), and ends the process.
  package static func runAndEnd(_ arguments: [String]) async -> Never {
    if arguments.contains("--help") { showHelp() }
    CurrentProcess.end(await run(arguments))
  }

  /// Becomes the command that describes the options, `kachery daemon start --help`, which is installed beside this program.
  private static func showHelp() {
    let folder = CurrentProcess.program.cut(atLast: "/").head
    CurrentProcess.become("\(folder)/kachery", orNamed: "kachery", ["daemon", "start", "--help"])
  }

  /// - Returns: the exit code.
  private static func run(_ arguments: [String]) async -> Int32 {
    do throws(KacheryError) {
      let configuration = try DaemonOptions.parse(
        arguments, environment: Environment.all, hostName: CurrentProcess.hostName)
      let logsJSON = configuration.logsJSON
      let log = Log(minimum: configuration.logLevel) { level, message in
        logsJSON ? StandardErrorLog.writeJSON(level, message) : StandardErrorLog.write(level, message)
      }
      FileSystem.raiseDescriptorLimit()
      let loop = try EventLoop(name: "kachery")
      let node = try Node(configuration, loop: loop, log: log)
      try await node.watchSignals()
      let port = try await node.start()
      let linkPort = await node.listening?.port ?? 0
      log.info(
        "Node '\(configuration.label)' (\(node.id)) is running: local API on http://\(configuration.apiHost):\(port), "
          + "links on port \(linkPort), files in \(configuration.storageDirectory).")
      await node.untilStopRequested()
      log.info("Stopping.")
      endAnyway(log)
      await node.stop()
      await loop.shutdown()
      return 0
    } catch {
      StandardErrorLog.write(.error, error.message)
      return error.code == .badRequest ? 2 : 1
    }
  }

  /// A disk or a file server that does not answer must not keep the daemon from ending: whatever was told to be done is on
  /// the disk, and the rest may be cut off at any moment.
  private static func endAnyway(_ log: Log) {
    Task.detached {
      try? await Task.sleep(for: patience)
      log.warning("Some work did not end in time, and was cut off.")
      CurrentProcess.end(0)
    }
  }

  /// Of the three seconds that a stop may take, what is left for work that goes on.
  private static let patience: Duration = .milliseconds(2_500)
}
