import APIModel
import Primitives

extension Command {
  /// `kachery explain`
  static let explain = Command(
    name: "explain", usage: "URI", summary: "Says why a file cannot be loaded, and what helps.",
    details: """
      Also why it is slow. The file is looked for, but not loaded. The exit code is the one with which a load would fail; 0 where nothing stands
      in its way.
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
      // Whether the URI is one at all can be said without a daemon.
      _ = try ContentURI(parsing: uri)
      return try Diagnosis(json: try DaemonClient.require().post("/v1/explain", ["uri": .string(uri)]))
    } catch {
      return Diagnosis(error)
    }
  }

  /// The verdict, what it rests on, and what to do, in lines that fit the terminal.
  private static func lines(of diagnosis: Diagnosis) -> [String] {
    let width = Console.width
    var lines = Paragraph.lines(Console.printable(diagnosis.summary), width: width)
    if let code = diagnosis.code { lines.append("(\(code.rawValue))") }
    for (title, entries) in [("What was seen", diagnosis.evidence), ("What helps", diagnosis.advice)]
    where !entries.isEmpty {
      lines += ["", "\(title):"]
      for entry in entries {
        lines += Paragraph.lines(Console.printable(entry), width: width, first: "  - ", rest: "    ")
      }
    }
    return lines
  }
}
