import APIModel
import Primitives

extension Command {
  /// `kachery gc`
  static let collect = Command(
    name: "gc", usage: "", summary: "Frees space: enforces the limit, empties the trash.",
    details: """
      The limit is set in kachery.yaml in the storage directory, as 'maxCacheSizeGiB: 500'. The least recently used
      files go to the trash first, larger ones before smaller ones; files that are pinned or were used in the last ten
      minutes stay. Files in the trash are deleted, the oldest first, when the limit or the disk needs the room.
      \(ifElsewhereDetails)
      """,
    options: [
      Option("--trash", nil, "also empty the trash, permanently"),
      Option("--damaged", nil, "also delete damaged files that were set aside, permanently"), ifElsewhere,
      countThisMachine, dryRun, json, quiet,
    ],
    examples: ["kachery gc", "kachery gc --trash", "kachery gc --dry-run"],
    run: { (arguments) throws(KacheryError) in
      if arguments.has("--if-elsewhere") {
        guard !arguments.has("--trash"), !arguments.has("--damaged") else {
          throw KacheryError(
            .badRequest, "--if-elsewhere goes with neither --trash nor --damaged, which delete without asking others.")
        }
        return try ReleaseReport.run(nil, arguments)
      }
      let isPreview = arguments.has("--dry-run")
      let answer = try Storage.current()
        .collect(
          emptyingTrash: arguments.has("--trash"), removingDamaged: arguments.has("--damaged"), isPreview: isPreview)
      let isOver = answer["isOverLimit"]?.bool == true
      if arguments.has("--json") {
        Console.result(answer.compact)
      } else if !arguments.has("--quiet") {
        try show(JSONFields(answer, named: "the answer of the daemon"), isPreview: isPreview)
      }
      guard isOver else { return .done }
      Console.error("The limit cannot be met: the remaining files are pinned, in use, or recently used (ten minutes).")
      return .failed
    })

  private static func show(_ report: JSONFields, isPreview: Bool) throws(KacheryError) {
    var files: [JSONFields] = []
    for file in report.value("files")?.array ?? [] { files.append(try JSONFields(file, named: "a file")) }
    Console.results(try RemovalReport.lines(files))
    let rows = [
      (isPreview ? "would go to the trash" : "moved to the trash", try UsageReport.amount(report, "removed")),
      (isPreview ? "would free" : "freed on the disk", Quantity.bytes(Double(try report.unsigned("freed")))),
      (isPreview ? "would stay" : "still stored", Quantity.bytes(Double(try report.unsigned("remaining")))),
    ]
    let width = (rows.map(\.0.count).max() ?? 0) + 2
    func row(_ head: String, _ text: String) -> String {
      "\(head)\(String(repeating: " ", count: width - head.count))\(text)"
    }
    Console.results(rows.map { row($0.0, $0.1) })
    guard let trash = report.value("trash"), trash["files"]?.unsigned ?? 0 > 0 else { return }
    Console.result(row(isPreview ? "then in the trash" : "in the trash", try UsageReport.amount(report, "trash")))
    Console.note("The trash is deleted when the limit or the disk needs the room; 'kachery gc --trash' deletes it now.")
  }
}
