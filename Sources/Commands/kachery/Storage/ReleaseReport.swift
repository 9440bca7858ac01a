import APIModel
import Primitives

extension Command {
  static let ifElsewhere = Option(
    "--if-elsewhere", nil, "remove only what another member proves to hold, by sending parts of it that are chosen now")
  static let countThisMachine = Option(
    "--count-this-machine", nil, "with --if-elsewhere, count members on this machine that have another directory")

  static let ifElsewhereDetails = """
    With --if-elsewhere, the members that say they have a file are asked for its bytes: all of a file of up to 2 MiB, or
    else its beginning, its end and 512 parts of 4 KiB at random places, which a member that lacks one per cent of the
    file passes in at most one of 171 cases. They are compared with those here. The file stays if no member sends all of
    them, and the reason is printed. Members on this machine, or with the same storage directory, do not count.
    """
}

/// The messages of `/v1/store/release`, as they arrive.
struct ReleaseReport {
  private let arguments: Arguments
  private var removed: (files: Int, bytes: UInt64) = (0, 0)
  private var kept = 0
  private var end = StreamEnd()

  /// Releases these files, or those that the limit requires to go if there are none.
  static func run(_ hashes: [ContentHash]?, _ arguments: Arguments) throws(KacheryError) -> ExitCode {
    guard let client = try Storage.current().client else {
      throw KacheryError(
        .noDaemon, "--if-elsewhere asks other members, which takes a daemon. Start one, or leave it out.")
    }
    let request = ReleaseRequest(
      hashes: hashes, countsThisMachine: arguments.has("--count-this-machine"), isPreview: arguments.has("--dry-run"))
    var report = ReleaseReport(arguments: arguments)
    try client.messages("/v1/store/release", request.json) { report.receive($0) }
    return try report.outcome()
  }

  private init(arguments: Arguments) { self.arguments = arguments }

  private mutating func receive(_ message: JSONValue) -> Bool {
    if arguments.has("--json") { Console.result(message.compact) }
    let hash = message["sha1"]?.string ?? ""
    switch message["type"]?.string {
    case "released":
      let bytes = message["bytes"]?.unsigned ?? 0
      removed = (removed.files + 1, removed.bytes &+ bytes)
      guard !arguments.has("--json"), !arguments.has("--quiet") else { return true }
      Console.result("\(hash)  \(Command.size(bytes))  held by \(message.nodeForPeople)")
    case "kept":
      kept += 1
      if !arguments.has("--json") { Console.error(message["reason"]?.string ?? "The file \(hash) stays.") }
    default: return end.receive(message)
    }
    return true
  }

  private func outcome() throws(KacheryError) -> ExitCode {
    try end.check()
    if !arguments.has("--json"), !arguments.has("--quiet") {
      let verb = arguments.has("--dry-run") ? "Would move" : "Moved"
      let stay = kept == 0 ? "" : "; \(UsageReport.files(kept)) \(kept == 1 ? "stays" : "stay")"
      Console.note(
        "\(verb) \(UsageReport.files(removed.files)) (\(Quantity.bytes(Double(removed.bytes)))) to the trash\(stay).")
    }
    return kept == 0 ? .done : .failed
  }
}

extension JSONValue {
  /// The node that a message is about: its label, and the beginning of its ID.
  var nodeForPeople: String {
    let (node, label) = (self["nodeId"]?.string ?? "", self["label"]?.string ?? "")
    return label.isEmpty ? String(node.prefix(8)) : "\(label.printable) (\(node.prefix(8)))"
  }
}
