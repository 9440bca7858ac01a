import Diagnostics
import EventLoop
import Foundation
import Primitives

/// The daemon as a program: reads its options, runs one node, and ends on a signal or when a client says so.
package enum DaemonCommand {
  /// Runs the daemon with these arguments (without the program's name); gives back the exit code.
  package static func run(_ arguments: [String]) async -> Int32 {
    do throws(KacheryError) {
      let configuration = try DaemonOptions.parse(
        arguments, environment: ProcessInfo.processInfo.environment, hostName: ProcessInfo.processInfo.hostName)
      let log = Log(minimum: configuration.logLevel) { level, message in StandardErrorLog.write(level, message) }
      let loop = try EventLoop(name: "kachery")
      let node = try Node(configuration, loop: loop, log: log)
      try await node.stopOnSignals()
      let port = try await node.start()
      let linkPort = await node.listening?.port ?? 0
      log.info(
        "Node '\(configuration.label)' (\(node.id)) is running: local API on http://\(configuration.apiHost):\(port), "
          + "links on port \(linkPort), files in \(configuration.storageDirectory).")
      await node.untilStopRequested()
      log.info("Stopping.")
      await node.stop()
      await loop.shutdown()
      return 0
    } catch {
      StandardErrorLog.write(.error, error.message)
      return error.code == .badRequest ? 2 : 1
    }
  }
}

extension Node {
  /// Ends the node in order on SIGTERM and SIGINT.
  func stopOnSignals() throws(KacheryError) {
    for signal in [SIGTERM, SIGINT] {
      signals.append(try loop.onSignal(signal) { self.requestStop() })
    }
  }
}

/// The log of a daemon that runs in a terminal or under a service manager: a line each on standard error.
enum StandardErrorLog {
  static func write(_ level: Log.Level, _ message: String) {
    var time = time(nil)
    var parts = tm()
    localtime_r(&time, &parts)
    let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    // Messages may quote what strangers sent: no control character of theirs reaches the terminal.
    let clean = String(message.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    FileHandle.standardError.write(Data("\(clock) \(name(of: level))\(clean)\n".utf8))
  }

  private static func name(of level: Log.Level) -> String {
    switch level {
    case .debug: "debug: "
    case .info: ""
    case .warning: "warning: "
    case .error: "error: "
    }
  }
}
