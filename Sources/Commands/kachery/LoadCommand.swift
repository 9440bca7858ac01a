import APIModel
import Glibc
import Primitives

extension Command {
  static let fromNode = Option("--from-node", "ID", "ask this node only")
  static let fromChannel = Option("--from-channel", "NAME", "ask the members of this channel only")
  static let channel = Option("--channel", "NAME", "the same as --from-channel")
  static let timeout = Option("--timeout", "SECONDS", "give up after this time")

  /// `kachery load`
  static let load = Command(
    name: "load", usage: "URI…", summary: "Brings files here, from other nodes where need be, and prints their paths.",
    details: """
      The paths lead into the storage directory: read the files, do not change them. With --dest it is a copy. A URI may be
      that of a file in a folder, sha1dir://…/name; 'kachery-load-dir' loads whole folders.
      """,
    options: [
      Option("--dest", "PATH", "write a copy there and print its path"), fromNode, fromChannel, channel, timeout, json,
      quiet, localOnly,
    ] + publishedLoading,
    examples: [
      "kachery-load sha1://…/recording.bin?manifest=…", "cat `kachery-load sha1://…/notes.txt`",
      "kachery-load sha1://…/table.csv --dest table.csv", "kachery-load sha1dir://….session7/sub/a.txt",
    ],
    run: { (arguments) throws(KacheryError) in
      Interruption.expect(advice: arguments.has("--quiet") ? nil : goesOn)
      guard arguments.operands.count > 1 else { return try loadOne(try arguments.operand("URI"), arguments) }
      guard arguments.value("--dest") == nil else {
        throw KacheryError(.badRequest, "--dest names one file, and there is more than one URI.")
      }
      return try loadMany(arguments)
    })

  static let goesOn = "The same command goes on where this one stopped."

  private static func loadOne(_ text: String, _ arguments: Arguments) throws(KacheryError) -> ExitCode {
    let name = arguments.value("--dest")
    var destination: Destination?
    if let name { destination = try Destination(name) }
    let file = try LoadedFile.load(try FolderReader(arguments).fileURI(text), arguments)
    if let destination, let name { try file.copy(to: destination, named: name) }
    let path = name ?? file.path
    Console.result(arguments.has("--json") ? (["path": .string(path)] as JSONValue).compact : path)
    return .done
  }

  private static func loadMany(_ arguments: Arguments) throws(KacheryError) -> ExitCode {
    let reader = try FolderReader(arguments)
    var uris: [KacheryURI] = []
    for text in arguments.operands { uris.append(try reader.fileURI(text)) }
    let outcomes = try FileBatch(uris.map(\.key), arguments).load()
    var exit = ExitCode.done
    for (text, outcome) in zip(arguments.operands, outcomes) {
      switch outcome {
      case .success(let path):
        let line: JSONValue = ["uri": .string(text), "path": .string(path)]
        Console.result(arguments.has("--json") ? line.compact : path)
      case .failure(let error):
        Console.error(error.message)
        exit = exit == .done || exit == ExitCode(error) ? ExitCode(error) : .failed
      }
    }
    return exit
  }

  /// `kachery cat`
  static let cat = Command(
    name: "cat", usage: "URI", summary: "Writes a file, or a part of it, to standard output.",
    options: [
      Option("--start", "BYTE", "begin here; the first byte is 0"), Option("--end", "BYTE", "end before this byte"),
      fromNode, fromChannel, channel, timeout, quiet, localOnly,
    ] + publishedLoading,
    examples: ["kachery-cat sha1://…/notes.txt", "kachery-cat sha1://…/recording.bin --start 0 --end 1024 | xxd"],
    run: { (arguments) throws(KacheryError) in
      Interruption.expect(advice: arguments.has("--quiet") ? nil : goesOn)
      let uri = try FolderReader(arguments).fileURI(try arguments.operand("URI"))
      let (start, end) = (try arguments.bytes("--start"), try arguments.bytes("--end"))
      if let start, let end, start > end {
        throw KacheryError(.badRequest, "The end, byte \(end), lies before the start, byte \(start).")
      }
      if start != nil || end != nil, let client = try Storage.current().client {
        // Only the chunks that hold the range are brought here.
        let request = ReadRequest(
          key: uri.key, start: start ?? 0, end: end, node: try arguments.node("--from-node"),
          channel: arguments.value("--from-channel") ?? arguments.value("--channel"))
        try client.download(request.json, from: "/v1/read", timeout: try arguments.seconds("--timeout")) {
          Console.writeAll($0, to: STDOUT_FILENO)
        }
        return .done
      }
      let file = try LoadedFile.load(uri, arguments)
      try file.writeToOutput(start: start ?? 0, end: end)
      return .done
    })
}
