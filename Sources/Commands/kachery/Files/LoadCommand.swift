import APIModel
import Primitives

extension Command {
  static let fromNode = Option("--from-node", "ID", "ask this node only")
  static let fromChannel = Option("--from-channel", "NAME", "ask the members of this channel only")
  static let channel = Option("--channel", "NAME", "the same as --from-channel")
  static let timeout = Option("--timeout", "SECONDS", "give up after this time")

  /// `kachery load`
  static let load = Command(
    name: "load", usage: "URI…", summary: "Loads files and prints their paths.",
    details: """
      Files that are not on this node are loaded from other nodes. The paths are in the storage directory: read the
      files, do not change them. --dest writes a copy. A URI may name a file in a folder, sha1dir://…/name;
      'kachery-load-dir' loads whole folders. The path of a local file may be given instead of a
      URI; it is printed unchanged.
      """,
    options: [
      Option("--dest", "PATH", "write a copy there and print its path"), fromNode, fromChannel, channel, timeout, json,
      quiet, localOnly,
    ] + publishedLoading,
    examples: [
      "kachery-load 'sha1://…/recording.bin?manifest=…'", "cat `kachery-load sha1://…/notes.txt`",
      "kachery-load sha1://…/table.csv --dest table.csv", "kachery-load sha1dir://….session7/sub/a.txt",
    ],
    run: { (arguments) throws(KacheryError) in
      Interruption.expect(advice: arguments.has("--quiet") ? nil : resumeAdvice)
      guard arguments.operands.count > 1 else { return try loadOne(try arguments.operand("URI"), arguments) }
      guard arguments.value("--dest") == nil else {
        throw KacheryError(.badRequest, "--dest names one file, but there is more than one URI.")
      }
      return try loadMany(arguments)
    })

  static let resumeAdvice = "Run the same command to continue."

  private static func loadOne(_ text: String, _ arguments: Arguments) throws(KacheryError) -> ExitCode {
    let name = arguments.value("--dest")
    var destination: Destination?
    if let name { destination = try Destination(name) }
    let file = try LoadedFile.load(try FileOperand(text, arguments), arguments)
    if let destination, let name { try file.copy(to: destination, named: name) }
    let path = name ?? file.path
    Console.result(arguments.has("--json") ? (["path": .string(path)] as JSONValue).compact : path)
    return .done
  }

  private static func loadMany(_ arguments: Arguments) throws(KacheryError) -> ExitCode {
    var files: [FileOperand] = []
    for text in arguments.operands { files.append(try FileOperand(text, arguments)) }
    var outcomes = try FileBatch(
      files.compactMap(\.uri?.key), named: files.compactMap { $0.uri.map(\.shownLabel) }, arguments
    ).load().makeIterator()
    var exit = ExitCode.done
    var lines: [String] = []
    for (text, file) in zip(arguments.operands, files) {
      let outcome: Result<String, KacheryError>? =
        switch file {
        case .local(let path): .success(path)
        case .stored: outcomes.next()
        }
      switch outcome {
      case .success(let path):
        let line: JSONValue = ["uri": .string(text), "path": .string(path)]
        lines.append(arguments.has("--json") ? line.compact : path)
      case .failure(let error):
        Console.error(error.message)
        exit = exit.joined(by: ExitCode(error))
      case nil: break
      }
    }
    Console.results(lines)
    return exit
  }
}

extension KacheryURI {
  /// The label as people read it; nil if there is none.
  var shownLabel: String? { label.isEmpty ? nil : PercentEncoding.decode(label.text) }
}
