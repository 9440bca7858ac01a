import APIModel
import Primitives

extension Command {
  /// `kachery du`
  static let usage = Command(
    name: "du", usage: "", summary: "Shows what uses space in the storage directory, and the limit.", options: [json],
    examples: ["kachery du"],
    run: { (arguments) throws(KacheryError) in
      let usage = try Storage.current().usage()
      guard !arguments.has("--json") else {
        Console.result(usage.compact)
        return .done
      }
      for line in try UsageReport(JSONFields(usage, named: "the usage")).lines { Console.result(line) }
      return .done
    })

  /// `kachery pin`
  static let pin = Command(
    name: "pin", usage: "URI…", summary: "Protects files and folders from removal.",
    details: """
      Neither the size limit nor 'kachery rm' removes a pinned file. A file may be pinned before it is loaded. For a
      folder, sha1dir://…, its document and every file below it are pinned; the document is loaded if it is not here.
      """,
    options: [quiet],
    examples: ["kachery pin sha1://…/recording.bin", "kachery pin sha1dir://….session7"],
    run: { (arguments) throws(KacheryError) in
      let selection = try StoredSelection.required(arguments, from: .anywhere)
      let (changed, _) = try Storage.current(createIfMissing: true).setPinned(true, selection)
      if !selection.inFolders.isEmpty, !arguments.has("--quiet") {
        Console.note("Pinned \(UsageReport.files(changed)); the folder and its files are \(selection.all.count).")
      }
      return .done
    })

  /// `kachery unpin`
  static let unpin = Command(
    name: "unpin", usage: "URI…", summary: "Undoes 'kachery pin'.",
    details: """
      For a folder, its document and every file below it are unpinned, except those that belong to another folder that is
      pinned.
      """,
    options: [quiet],
    examples: ["kachery unpin sha1://…/recording.bin", "kachery unpin sha1dir://….session7"],
    run: { (arguments) throws(KacheryError) in
      let selection = try StoredSelection.required(arguments, from: .here)
      let (changed, kept) = try Storage.current().setPinned(false, selection)
      if !selection.inFolders.isEmpty, !arguments.has("--quiet") {
        let those = "\(UsageReport.files(kept)) of other pinned folders \(kept == 1 ? "stays" : "stay") pinned"
        let stay = kept > 0 ? "; \(those)" : ""
        Console.note("Unpinned \(UsageReport.files(changed))\(stay).")
      }
      return .done
    })
}

/// What `kachery du` prints.
struct UsageReport {
  let lines: [String]

  init(_ usage: JSONFields) throws(KacheryError) {
    let broken = try usage.unsigned("brokenLinks")
    let limit = try usage.optionalUnsigned("limit").map { Quantity.bytes(Double($0)) }
    lines = [
      "stored      \(try Self.amount(usage, "stored"))",
      "linked      \(try Self.amount(usage, "linked"))\(broken > 0 ? ", \(broken) changed or missing" : "")",
      "pinned      \(try Self.amount(usage, "pinned"))", "trash       \(try Self.amount(usage, "trash"))",
      "damaged     \(try Self.amount(usage, "damaged"))", "unfinished  \(try Self.amount(usage, "unfinished"))",
      "limit       \(limit ?? "none")",
      "free        \(Quantity.bytes(Double(try usage.unsigned("available")))) on the disk",
    ]
  }

  static func amount(_ fields: JSONFields, _ name: String) throws(KacheryError) -> String {
    let amount = try JSONFields(try fields.anyValue(name), named: name)
    let (files, bytes) = (try amount.unsigned("files"), try amount.unsigned("bytes"))
    return "\(Quantity.bytes(Double(bytes))) in \(Self.files(files))"
  }

  /// `1 file`, `2 files`
  static func files(_ count: some BinaryInteger) -> String {
    "\(Quantity.count(count)) \(count == 1 ? "file" : "files")"
  }
}
