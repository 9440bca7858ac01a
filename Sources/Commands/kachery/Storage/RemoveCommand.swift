import APIModel
import Primitives

extension Command {
  static let dryRun = Option("--dry-run", nil, "show what would be removed, and change nothing")

  /// `kachery rm`
  static let remove = Command(
    name: "rm", usage: "URI…", summary: "Moves files and folders to the trash of the storage directory.",
    details: """
      Pinned files stay, and so do files being read. For a folder, sha1dir://…, its document and every file below it go,
      also those that other folders contain; pin a folder to keep what belongs to it. 'kachery gc --trash' frees the disk
      space.
      \(ifElsewhereDetails)
      """,
    options: [ifElsewhere, countThisMachine, dryRun, json, quiet],
    examples: [
      "kachery rm sha1://…/recording.bin", "kachery rm --dry-run sha1dir://….session7",
      "kachery rm --if-elsewhere sha1dir://….session7",
    ],
    run: { (arguments) throws(KacheryError) in
      let selection = try StoredSelection.required(arguments, from: .here)
      if arguments.has("--if-elsewhere") { return try ReleaseReport.run(selection.all, arguments) }
      let answer = try Storage.current().remove(selection.all, isPreview: arguments.has("--dry-run"))
      return try RemovalReport(answer, of: selection).show(arguments)
    })
}

/// What a removal has moved to the trash, or would move, and what stays.
struct RemovalReport {
  private let answer: JSONValue
  private let removed: [JSONFields]
  /// Why files stay that were named themselves, or that cannot be moved.
  private var errors: [KacheryError] = []
  /// Files of folders.
  private var (pinned, absent) = (0, 0)

  /// - Parameter answer: as `/v1/store/remove` gives it.
  init(_ answer: JSONValue, of selection: StoredSelection) throws(KacheryError) {
    self.answer = answer
    var removed: [JSONFields] = []
    for file in answer["removed"]?.array ?? [] { removed.append(try JSONFields(file, named: "a removed file")) }
    self.removed = removed
    let named = Set(selection.files)
    for refusal in answer["refused"]?.array ?? [] {
      let error = KacheryError(
        KacheryError.Code(rawValue: refusal["code"]?.string ?? ""), refusal["error"]?.string ?? "It was refused.")
      let isNamed = refusal["sha1"]?.string.flatMap { ContentHash(hex: $0) }.map(named.contains) ?? true
      switch error.code {
      case .notFound where !isNamed: absent += 1
      case .forbidden where !isNamed: pinned += 1
      default: errors.append(error)
      }
    }
  }

  func show(_ arguments: Arguments) throws(KacheryError) -> ExitCode {
    let isPreview = arguments.has("--dry-run")
    var bytes: UInt64 = 0
    for file in removed { bytes &+= try file.unsigned("bytes") }
    if arguments.has("--json") {
      Console.result(answer.compact)
    } else if isPreview {
      Console.results(try Self.lines(removed))
    }
    var outcome = ExitCode.done
    for error in errors {
      Console.error(error.message)
      outcome = outcome.joined(by: ExitCode(error))
    }
    if pinned > 0 { outcome = .failed }
    guard !arguments.has("--quiet"), !arguments.has("--json") else { return outcome }
    if pinned > 0 { Console.note("\(UsageReport.files(pinned)) of the folder \(pinned == 1 ? "is" : "are") pinned.") }
    if absent > 0 { Console.note("\(UsageReport.files(absent)) of the folder \(absent == 1 ? "is" : "are") not here.") }
    let amount = removed.count == 1 ? "a file" : UsageReport.files(removed.count)
    if isPreview || !removed.isEmpty {
      Console.note(
        "\(isPreview ? "Would move" : "Moved") \(amount) (\(Quantity.bytes(Double(bytes)))) to the trash.")
    }
    return outcome
  }

  /// One line for each file: hash, size and name.
  static func lines(_ files: [JSONFields]) throws(KacheryError) -> [String] {
    var lines: [String] = []
    for file in files {
      let hash: ContentHash = try file.fixed("sha1")
      let name = try file.optionalString("name") ?? file.value("names")?.array?.first?.string
      lines.append("\(hash)  \(Command.size(try file.unsigned("bytes")))\(name.map { "  \($0.printable)" } ?? "")")
    }
    return lines
  }
}
