import Diagnostics
import EventLoop
import Files
import Glibc
import Primitives

/// The daemon as a program: reads its options, runs one node, and ends on a signal or when a client says so.
package enum DaemonCommand {
  /// Runs the daemon with these arguments (without the program's name), and ends the process.
  package static func runAndEnd(_ arguments: [String]) async -> Never {
    FileSystem.endProcess(await run(arguments))
  }

  /// - Returns: the exit code.
  private static func run(_ arguments: [String]) async -> Int32 {
    do throws(KacheryError) {
      let configuration = try DaemonOptions.parse(
        arguments, environment: ProcessFacts.environment, hostName: ProcessFacts.hostName)
      let logsJSON = configuration.logsJSON
      let log = Log(minimum: configuration.logLevel) { level, message in
        logsJSON ? StandardErrorLog.writeJSON(level, message) : StandardErrorLog.write(level, message)
      }
      FileSystem.raiseDescriptorLimit()
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
      endAnyway(log)
      await node.ignoreSignals()
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
      FileSystem.endProcess(0)
    }
  }

  /// Of the three seconds that a stop may take, what is left for work that goes on.
  private static let patience: Duration = .milliseconds(2_500)
}

extension Node {
  /// Ends the node in order on SIGTERM and SIGINT; reads what may have changed again on SIGHUP.
  func stopOnSignals() throws(KacheryError) {
    for signal in [SIGTERM, SIGINT] {
      signals.append(try loop.onSignal(signal) { self.requestStop() })
    }
    signals.append(
      try loop.onSignal(SIGHUP) {
        self.log.info("Reading the channels and kachery.yaml again.")
        self.reload()
      })
  }

  /// A second signal must not cut off the end that the first one, or a client, began.
  func ignoreSignals() {
    for watch in signals { watch.cancel() }
    signals = []
    for number in [SIGTERM, SIGINT, SIGHUP] { signal(number, SIG_IGN) }
  }
}

/// The log of a daemon that runs in a terminal or under a service manager: a line each on standard error.
enum StandardErrorLog {
  static func write(_ level: Log.Level, _ message: String) {
    var time = Glibc.time(nil)
    var parts = tm()
    localtime_r(&time, &parts)
    let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    // Messages may quote what strangers sent: no control character of theirs reaches the terminal.
    let clean = String(message.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    let line = Array("\(clock) \(name(of: level))\(clean)\n".utf8)
    // A log that nobody takes any more is no reason to stop.
    _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// A line as a JSON object: `{"time", "level", "message"}`, the time in UTC (RFC 3339).
  static func writeJSON(_ level: Log.Level, _ message: String) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    func padded(_ number: some BinaryInteger, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(padded(parts.tm_year + 1_900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
    let clock = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
    let time = "\(date)T\(clock).\(padded(now.tv_nsec / 1_000_000, 3))Z"
    let object: JSONValue = ["time": .string(time), "level": .string("\(level)"), "message": .string(message)]
    let line = object.compactBytes + Array("\n".utf8)
    _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
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

/// What the process is told by its surroundings.
enum ProcessFacts {
  /// The environment's variables.
  static var environment: [ByteString: String] {
    var variables: [ByteString: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let (name, value) = String(cString: text).cut(at: "=")
      if let value { variables[ByteString(name)] = String(value) }
      entry += 1
    }
    return variables
  }

  /// The name of this machine.
  static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "kachery" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
