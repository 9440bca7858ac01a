import APIModel
import Primitives

extension Command {
  /// `kachery ls`
  static let list = Command(
    name: "ls", usage: "[URI…]", summary: "Lists the stored files, or the contents of a stored folder.",
    details: """
      One line per file: hash, size, last use, and flags: 'p' pinned, 'l' linked to a file elsewhere, '!' linked to a
      file that has changed. For a stored folder, sha1dir://…, it lists the names in it.
      """,
    options: [json] + publishedLoading,
    examples: [
      "kachery ls", "kachery ls --json | jq -r .sha1", "kachery ls sha1://…/recording.bin",
      "kachery ls sha1dir://….session7/sub",
    ],
    run: { (arguments) throws(KacheryError) in
      if let first = arguments.operands.first, FolderURI.isMeant(by: first) { return try listFolder(arguments) }
      let wanted = Set(try arguments.hashes())
      var found = 0
      try Storage.current().list { (file) throws(KacheryError) in
        let hash: ContentHash = try file.fixed("sha1")
        guard wanted.isEmpty || wanted.contains(hash) else { return }
        found += 1
        Console.result(arguments.has("--json") ? file.json.compact : try line(hash, file))
      }
      guard found == 0, !wanted.isEmpty else { return .done }
      throw KacheryError(.notFound, "None of these files is in the storage directory.")
    })

  /// Lists a stored folder as the published command does: folders first, each name followed by a slash.
  private static func listFolder(_ arguments: Arguments) throws(KacheryError) -> ExitCode {
    let folder = try FolderReader(arguments).folder(try arguments.operand("folder's URI"))
    if arguments.has("--json") {
      Console.result(folder.json.compact)
      return .done
    }
    for entry in folder.folders { Console.result("\(entry.name.text.printable)/") }
    for file in folder.files { Console.result(file.name.text.printable) }
    return .done
  }

  private static func line(_ hash: ContentHash, _ file: JSONFields) throws(KacheryError) -> String {
    let target = try file.optionalString("target")
    let pin = try file.optionalBool("isPinned") == true ? "p" : "-"
    let link = target == nil ? "-" : try file.optionalBool("isValid") == true ? "l" : "!"
    let size = Quantity.bytes(Double(try file.unsigned("bytes")))
    let padded = String(repeating: " ", count: max(0, 8 - size.count)) + size
    let lastUse = try file.unsigned("lastUse")
    let use = lastUse == 0 ? "-               " : Day(seconds: Int(clamping: lastUse)).description
    return "\(hash)  \(padded)  \(use)  \(pin)\(link)\(target.map { "  \($0.printable)" } ?? "")"
  }

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

  /// `kachery rm`
  static let remove = Command(
    name: "rm", usage: "URI…", summary: "Moves files to the trash of the storage directory.",
    details:
      "Pinned files stay, and so do files being read. 'kachery gc --trash' frees the disk space.",
    options: [json, quiet], examples: ["kachery rm sha1://…/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      let answer = try Storage.current().remove(try arguments.requiredHashes())
      if arguments.has("--json") { Console.result(answer.compact) }
      var outcome = ExitCode.done
      for refusal in answer["refused"]?.array ?? [] {
        let error = KacheryError(
          KacheryError.Code(rawValue: refusal["code"]?.string ?? ""), refusal["error"]?.string ?? "It was refused.")
        Console.error(error.message)
        outcome = outcome == .failed ? .failed : ExitCode(error)
      }
      let removed = answer["removed"]?.array ?? []
      if !arguments.has("--quiet"), !arguments.has("--json"), !removed.isEmpty {
        Console.note(removed.count == 1 ? "Moved a file to the trash." : "Moved \(removed.count) files to the trash.")
      }
      return outcome
    })

  /// `kachery pin`
  static let pin = Command(
    name: "pin", usage: "URI…", summary: "Protects files from removal.",
    details: "Neither the size limit nor 'kachery rm' removes a pinned file. A file may be pinned before it is loaded.",
    options: [quiet],
    examples: ["kachery pin sha1://…/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      _ = try Storage.current(createIfMissing: true).setPinned(true, try arguments.requiredHashes())
      return .done
    })

  /// `kachery unpin`
  static let unpin = Command(
    name: "unpin", usage: "URI…", summary: "Undoes 'kachery pin'.", options: [quiet],
    examples: ["kachery unpin sha1://…/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      _ = try Storage.current().setPinned(false, try arguments.requiredHashes())
      return .done
    })

  /// `kachery gc`
  static let collect = Command(
    name: "gc", usage: "", summary: "Frees space: enforces the limit, empties the trash.",
    details: """
      The limit is set in kachery.yaml in the storage directory, as 'maxCacheSizeGiB: 500'. The least recently used
      files go to the trash first, larger ones before smaller ones; files that are pinned or were used in the last ten
      minutes stay.
      """,
    options: [
      Option("--trash", nil, "also empty the trash, permanently"),
      Option("--damaged", nil, "also delete damaged files that were set aside, permanently"), json, quiet,
    ],
    examples: ["kachery gc", "kachery gc --trash"],
    run: { (arguments) throws(KacheryError) in
      let answer = try Storage.current()
        .collect(emptyingTrash: arguments.has("--trash"), removingDamaged: arguments.has("--damaged"))
      let isOver = answer["isOverLimit"]?.bool == true
      if arguments.has("--json") {
        Console.result(answer.compact)
      } else if !arguments.has("--quiet") {
        let report = try JSONFields(answer, named: "the answer of the daemon")
        let removed = try UsageReport.amount(report, "removed")
        let freed = Quantity.bytes(Double(try report.unsigned("freed")))
        Console.result("moved to the trash  \(removed)")
        Console.result("freed on the disk   \(freed)")
        Console.result("still stored        \(Quantity.bytes(Double(try report.unsigned("remaining"))))")
      }
      guard isOver else { return .done }
      Console.error("The limit cannot be met: the remaining files are pinned, in use, or recently used (ten minutes).")
      return .failed
    })
}

/// A day and a time in Coordinated Universal Time, as a listing shows it.
struct Day: CustomStringConvertible {
  let seconds: Int

  /// `2026-11-21 05:37`; by the rules of the Gregorian calendar
  /// (https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
  var description: String {
    let days = seconds / 86_400 + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shifted + 2) / 5 + 1
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(year)-\(two(month))-\(two(day)) \(two(seconds % 86_400 / 3_600)):\(two(seconds % 3_600 / 60))"
  }
}

/// What `kachery du` prints.
private struct UsageReport {
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
    return "\(Quantity.bytes(Double(bytes))) in \(files) \(files == 1 ? "file" : "files")"
  }
}
