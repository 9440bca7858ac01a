import APIModel
import Primitives

extension Command {
  /// `kachery explain`
  static let explain = Command(
    name: "explain", usage: "URI", summary: "Explains why a file cannot be loaded, and what helps.",
    details: """
      Also explains why a load is slow. It searches for the file, but does not load it. The exit code is the one with
      which a load would fail, or 0 if it would succeed.
      """,
    options: [json], examples: ["kachery explain sha1://…/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      let diagnosis = diagnose(try arguments.operand("URI"))
      if arguments.has("--json") {
        Console.result(diagnosis.json.compact)
      } else {
        for line in lines(of: diagnosis) { Console.result(line) }
      }
      return diagnosis.error.map { ExitCode($0) } ?? .done
    })

  private static func diagnose(_ uri: String) -> Diagnosis {
    do throws(KacheryError) {
      // The URI can be checked without a daemon.
      _ = try ContentURI(parsing: uri)
      return try Diagnosis(json: try DaemonClient.require().post("/v1/explain", ["uri": .string(uri)]))
    } catch {
      return Diagnosis(error)
    }
  }

  /// The summary, its evidence and advice, wrapped to fit the terminal.
  private static func lines(of diagnosis: Diagnosis) -> [String] {
    let width = Console.width
    var lines = Paragraph.lines(diagnosis.summary.printable, width: width)
    if let code = diagnosis.code { lines.append("(\(code.rawValue))") }
    for (title, entries) in [("Evidence", diagnosis.evidence), ("What helps", diagnosis.advice)]
    where !entries.isEmpty {
      lines += ["", "\(title):"]
      for entry in entries {
        lines += Paragraph.lines(entry.printable, width: width, first: "  - ", rest: "    ")
      }
    }
    return lines
  }
}
