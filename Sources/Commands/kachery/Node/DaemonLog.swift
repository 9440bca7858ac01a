import APIModel
import Files
import Primitives
import Process

/// Where the log of the daemon of a storage directory goes, as far as this user can see it.
struct DaemonLog {
  /// Most bytes of a log that are read: its end.
  private static let maximumSize = 1 << 20

  let directory: String

  /// The storage directory that the environment names, or else the usual one.
  static var ownDirectory: String? {
    Environment["KACHERY_STORAGE_DIR"] ?? Environment.home.map { "\($0)/kachery-storage" }
  }

  /// The file to which the log goes since standard error was closed; nil if there is none.
  var file: String? {
    let path = "\(directory)/\(APIVersion.logName)"
    return FileSystem.isReadable(path) ? path : nil
  }

  /// Where the log of the running daemon goes, in words; nil if that cannot be seen from here.
  var place: String? {
    if let file { return file }
    guard let process, let target = try? FileSystem.resolved("/proc/\(process)/fd/2") else { return nil }
    if target.begins(with: "/dev/pts/") || target.begins(with: "/dev/tty") { return "the terminal \(target)" }
    if target.contains(bytesOf: "socket:") { return unit.map { "journalctl -u \($0)" } ?? "the journal" }
    return FileSystem.isReadable(target) ? target : nil
  }

  /// The file that has the log; nil if it is elsewhere.
  var readablePlace: String? { place.flatMap { $0.begins(with: "/") && $0 != "/dev/null" ? $0 : nil } }

  /// The end of a log, by whole lines.
  static func end(of path: String) throws(KacheryError) -> String {
    let file = try File(path, .read)
    defer { file.close() }
    let size = try file.status().size
    let start = size > UInt64(maximumSize) ? size - UInt64(maximumSize) : 0
    let text = String(decoding: try file.bytes(at: start, count: maximumSize), as: UTF8.self)
    return start == 0 ? text : String(text.cut(at: "\n").tail ?? "")
  }

  /// Why the last start failed, as a sentence; nil if it did not.
  var failedStart: String? {
    let path = "\(directory)/\(APIVersion.failedStartName)"
    guard let status = try? FileSystem.status(path), let bytes = try? FileSystem.read(path, limit: 16 << 10) else {
      return nil
    }
    let age = max(0, Int(Double(WallTime.now.milliseconds) / 1_000 - status.modified))
    return "Its last start, \(Quantity.age(age)) ago, failed: \(String(decoding: bytes, as: UTF8.self))"
  }

  private var process: Int32? {
    guard let bytes = try? FileSystem.read("\(directory)/\(APIVersion.lockName)", limit: 64) else { return nil }
    return Int32(String(decoding: bytes.prefix { $0 != 0x0a }, as: UTF8.self))
  }

  /// The service that runs the daemon; nil if none does.
  private var unit: String? {
    guard let process, let bytes = try? FileSystem.read("/proc/\(process)/cgroup", limit: 64 << 10) else { return nil }
    let names = String(decoding: bytes, as: UTF8.self).parts(separatedBy: "\n").flatMap { $0.parts(separatedBy: "/") }
    return names.last { $0.ends(with: ".service") }.map { String($0) }
  }
}

extension Command {
  /// `kachery-p2p-log`, which used to print the daemon's log from a feed.
  static let log = Command(
    name: "log", usage: "", summary: "Prints the daemon's log, or says where it goes.",
    examples: ["kachery-p2p-log"],
    run: { (_) throws(KacheryError) in
      let running = (try? DaemonClient.connect()) ?? nil
      let log = (running?.storageDirectory ?? DaemonLog.ownDirectory).map { DaemonLog(directory: $0) }
      if let failure = log?.failedStart, running == nil { Console.note(failure) }
      if let path = running == nil ? log?.file : log?.readablePlace {
        Console.note("The daemon's log is in \(path).")
        Console.results(try DaemonLog.end(of: path).parts(separatedBy: "\n").map { String($0) })
        return .done
      }
      let place = running == nil ? nil : log?.place
      Console.note(
        place.map { "Note: The log of the running daemon goes to its standard error: \($0)." }
          ?? "Note: The daemon logs to its standard error; as a service, see journalctl -u kachery, and for a bootstrap "
          + "node journalctl -u kachery-bootstrap.")
      return .done
    })
}
