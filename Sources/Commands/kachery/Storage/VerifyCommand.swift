import APIModel
import Primitives

extension Command {
  /// `kachery verify`
  static let verify = Command(
    name: "verify", usage: "[URI…]", summary: "Hashes stored files again; sets damaged ones aside.",
    details: """
      Without a URI all files are checked; for a folder, sha1dir://…, its document and every file below it. A damaged file
      is moved out of the way and never served; load or store it again.
      A damaged link target is only reported, because it belongs to its owner.
      """,
    options: [json, quiet],
    examples: ["kachery verify", "kachery verify sha1://…/recording.bin", "kachery verify sha1dir://….session7"],
    run: { (arguments) throws(KacheryError) in
      var check = Check(arguments)
      try Storage.current().verify(try StoredSelection(arguments, from: .here).all) { check.receive($0) }
      return try check.outcome()
    })
}

/// A running check.
private struct Check {
  private let printsJSON: Bool
  private let isQuiet: Bool
  private var bar: ProgressBar
  private var report: JSONValue?

  init(_ arguments: Arguments) {
    printsJSON = arguments.has("--json")
    isQuiet = arguments.has("--quiet")
    bar = ProgressBar(name: "checking", isQuiet: arguments.has("--quiet"))
  }

  mutating func receive(_ message: JSONValue) {
    let type = message["type"]?.string
    if printsJSON, type != "progress" { Console.result(message.compact) }
    switch type {
    case "progress":
      guard let done = message["checked"]?["bytes"]?.integer, let total = message["total"]?["bytes"]?.integer else {
        return
      }
      bar.update(UInt64(clamping: done), of: UInt64(clamping: max(done, total)), from: nil)
    case "finished", "error": report = message
    default: if !printsJSON { tell(message) }
    }
  }

  private mutating func tell(_ message: JSONValue) {
    bar.end()
    let hash = message["sha1"]?.string ?? ""
    let path = message["target"]?.string ?? message["setAside"]?.string ?? message["path"]?.string ?? ""
    switch message["type"]?.string {
    case "damaged": Console.result("damaged     \(hash)  set aside as \(path.printable)")
    case "brokenLink": Console.result("link broken \(hash)  \(path.printable) has changed")
    case "absent": Console.result("not here    \(hash)")
    case "unreadable":
      Console.result("unreadable  \(hash)  \((message["reason"]?.string ?? "").printable)")
    default: Console.result("foreign     \(path.printable)")
    }
  }

  mutating func outcome() throws(KacheryError) -> ExitCode {
    bar.end()
    guard let report else { throw KacheryError(.disconnected, "The check ended early; run it again.") }
    if report["type"]?.string == "error" { _ = try LoadEvent(json: report) }
    let fields = try JSONFields(report, named: "the report")
    let (damaged, unreadable) = (try fields.unsigned("damaged"), try fields.unsigned("unreadable"))
    let checked = try JSONFields(try fields.anyValue("checked"), named: "checked")
    let (files, bytes) = (try checked.unsigned("files"), try checked.unsigned("bytes"))
    if !isQuiet, !printsJSON {
      let amount = "\(Quantity.count(files)) \(files == 1 ? "file" : "files"), \(Quantity.bytes(Double(bytes)))"
      Console.result("Checked \(amount): \(damaged == 0 ? "none" : "\(damaged)") damaged.")
    }
    if damaged + unreadable > 0 { return .failed }
    return try fields.unsigned("absent") > 0 ? .notFound : .done
  }
}
