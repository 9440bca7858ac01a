import APIModel
import Diagnostics
import EventLoop
import Files
import Primitives
import Process
import Settings

/// The daemon as a program: reads its options, runs one node, and ends on a signal or at a client's request.
package enum DaemonCommand {
  /// Runs the daemon with these arguments (without the program's name), and ends the process.
  ///
  /// The runtime raises the priority of some of its threads, which ordinary users may not do on Linux, and would complain to
  /// the system's log for each. What the main thread waits for gets such a priority, so it does not wait.
  package static func runAndEnd(_ arguments: [String]) -> Never {
    if Environment[runtimeLog] == nil { Environment.set(runtimeLog, to: "NO") }
    Task.detached(priority: .medium) { await live(arguments) }
    CurrentProcess.sleepForever()
  }

  private static func live(_ arguments: [String]) async -> Never {
    if arguments.map({ ByteString($0) }).contains(help) { showHelp() }
    if arguments.map({ ByteString($0) }).contains(version) {
      let line = Array("kacheryd \(APIVersion.daemon) (peer protocol \(APIVersion.peerProtocol))\n".utf8)
      line.withUnsafeBytes { _ = try? FileStream.standardOutput.write($0) }
      CurrentProcess.end(0)
    }
    CurrentProcess.end(await run(arguments))
  }

  /// The variable that says where the runtime logs.
  private static let runtimeLog = "LIBDISPATCH_LOG"
  private static let version = ByteString("--version")
  private static let help = ByteString("--help")

  /// Replaces this process with `kachery daemon start --help`, which describes the options.
  private static func showHelp() {
    let folder = CurrentProcess.program.cut(atLast: "/").head
    CurrentProcess.become("\(folder)/kachery", orNamed: "kachery", ["daemon", "start", "--help"])
  }

  /// - Returns: the exit code.
  private static func run(_ arguments: [String]) async -> Int32 {
    do throws(KacheryError) {
      let environment = Environment.all
      let file = try SettingsFile(in: try DaemonOptions.storageDirectory(environment))
      try requireRight(file)
      let configuration = try DaemonOptions.parse(
        arguments, environment: environment, hostName: CurrentProcess.hostName, file: file)
      let logsJSON = configuration.logsJSON
      let limit = LogLimit { Instant(nanoseconds: UInt64(SteadyClock.seconds * 1e9)) }
      let log = Log(
        minimum: configuration.logLevel, limit: limit, entries: { StandardErrorLog.write($0, asJSON: logsJSON) })
      FileSystem.raiseDescriptorLimit()
      if configuration.removesStorage { try ShortLife.requireUnused(configuration.storageDirectory) }
      defer { if configuration.removesStorage { try? FileSystem.removeTree(configuration.storageDirectory) } }
      let loop = try EventLoop(name: "kachery")
      let node = try Node(configuration, loop: loop, log: log)
      // Not before the directory is locked: it would be another daemon's log.
      StandardErrorLog.continue(in: LogFile(in: configuration.storageDirectory))
      let notifier = ServiceNotifier(environment)
      try await node.watchSignals(notifier)
      if configuration.endsWithInput { try ShortLife.whenInputEnds { Task { await node.requestStop() } } }
      let port = try await node.start()
      let ports = await node.listening.map { "\($0.port)" }.joined(separator: " and ")
      let quic = await node.listeningForQUIC.map { ", QUIC on UDP port \($0.port)" } ?? ""
      let webSockets = await node.listeningForWebSockets.map { ", WebSockets on port \($0.port)" } ?? ""
      log.info(
        "Node '\(configuration.label)' (\(node.id)) is running: local API on http://\(configuration.apiHost):\(port), "
          + "links on port \(ports)\(quic)\(webSockets), files in \(configuration.storageDirectory).", .started,
        about: await node.listening.prefix(1).map { .port($0.port) })
      await node.reportTo(notifier)
      FailedStart.forget(in: configuration.storageDirectory)
      await node.untilStopRequested()
      log.info("Stopping.", .stopping)
      notifier.stopping()
      endAnyway(log, removing: configuration.removesStorage ? configuration.storageDirectory : nil)
      await node.stop()
      await loop.shutdown()
      return 0
    } catch {
      let event = error.code == .alreadyRunning ? Log.Event.inUse : .startFailed
      StandardErrorLog.write(Log.Entry(.error, error.message, event, about: [.error(error.code.rawValue)]))
      noteFailure(error)
      return error.code == .badRequest ? 2 : 1
    }
  }

  /// A wrong value that takes effect only at a start prevents it: the node would listen elsewhere than its owner wants, or
  /// do what the owner has switched off. So would one that introduces any node because its owner has mistyped which. All
  /// other findings are warnings in the log.
  private static func requireRight(_ file: SettingsFile) throws(KacheryError) {
    let wrong = file.findings.filter { finding in
      finding.setting.map { !Setting.named($0).isReloaded || $0 == .introduceOnly } ?? false
    }
    guard !wrong.isEmpty else { return }
    throw KacheryError(
      .badConfiguration,
      "\(SettingsFile.name), \(wrong.map(\.description).joined(separator: " ")) 'kachery config check' shows all mistakes."
    )
  }

  /// Keeps the reason of a failed start, also if it is a wrong option: the environment names the directory.
  private static func noteFailure(_ error: KacheryError) {
    guard let directory = try? DaemonOptions.storageDirectory(Environment.all) else { return }
    FailedStart.note(error, in: directory)
  }

  /// Ends the process even if a disk or a file server does not answer: every acknowledged operation is on disk, and the
  /// rest may be interrupted at any moment.
  private static func endAnyway(_ log: Log, removing directory: String?) {
    Task.detached {
      try? await Task.sleep(for: patience)
      log.warning("Some work did not end in time and was interrupted.", .interrupted)
      if let directory { try? FileSystem.removeTree(directory) }
      CurrentProcess.end(0)
    }
  }

  /// The part of the three seconds for a stop that remains for running work.
  private static let patience: Duration = .milliseconds(2_500)
}
