import APIModel
import Files
import Invitations
import Primitives
import Process

extension Command {
  /// `kachery receive`
  static let receive = Command(
    name: "receive", usage: "[CODE]", summary: "Receives the files or the text that 'kachery send' offers.",
    details: """
      Writes the files into the current folder, or --dest, never outside of it, and replaces none without --overwrite.
      Without a code it asks for one, so that the code is not in the list of processes. What has arrived is kept in a
      hidden folder there until everything is complete: interrupted, the same command continues.
      """,
    options: [
      Option("--dest", "FOLDER", "write the files there; created if missing"),
      Option("--overwrite", nil, "replace existing files"),
      Option("--bootstrap", "HOST:PORT", "meet at this bootstrap node instead of the one in the code; repeatable"),
      Option("--timeout", "SECONDS", "how long to look for the sender (60)"),
      Option("--complete", "PREFIX", "print the codes that begin so, for shells"), json, quiet,
    ],
    examples: ["kachery receive camel-stone-…-music@boot.example.org:14507", "kachery receive --dest data"],
    run: { (arguments) throws(KacheryError) in
      if let prefix = arguments.value("--complete") {
        Console.results(TransferCode.continuations(of: prefix))
        return .done
      }
      let code = try TransferCode(try codeText(arguments))
      let folder = arguments.value("--dest") ?? "."
      Interruption.expect(advice: arguments.has("--quiet") ? nil : resumeAdvice)
      let given = try arguments.bootstraps()
      let places = given.isEmpty ? code.meetingPoints : given
      var receiving = try Receiving(code, meetingAt: places, in: folder, arguments)
      return try receiving.run()
    })

  /// The words may be separate operands.
  private static func codeText(_ arguments: Arguments) throws(KacheryError) -> String {
    guard arguments.operands.isEmpty else { return arguments.operands.joined(separator: "-") }
    if Console.isInteractive { Console.show("Code: ") }
    guard let line = readLine(), !line.isEmpty else {
      throw KacheryError(.badRequest, "The code is missing; 'kachery send' prints it.")
    }
    return line
  }
}
