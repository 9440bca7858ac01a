import APIModel
import Primitives

extension Command {
  static let fromNode = Option("--from-node", "ID", "ask this node only")
  static let fromChannel = Option("--from-channel", "NAME", "ask the members of this channel only")
  static let timeout = Option("--timeout", "SECONDS", "give up after this time")

  /// `kachery load`
  static let load = Command(
    name: "load", usage: "URI", summary: "Brings a file here, from other nodes where need be, and prints its path.",
    details: "The path leads into the storage directory: read the file, do not change it. With --dest it is a copy.",
    options: [
      Option("--dest", "PATH", "write a copy there and print its path"), fromNode, fromChannel, timeout, json, quiet,
    ],
    examples: [
      "kachery-load sha1://…/recording.bin?manifest=…", "cat `kachery-load sha1://…/notes.txt`",
      "kachery-load sha1://…/table.csv --dest table.csv",
    ],
    run: { (arguments) throws(KacheryError) in
      let uri = try KacheryURI(parsing: try arguments.operand("URI"))
      let file = try LoadedFile.load(uri, arguments)
      var path = file.path
      if let destination = arguments.value("--dest") {
        try file.copy(to: destination)
        path = destination
      }
      Console.result(arguments.has("--json") ? (["path": .string(path)] as JSONValue).compact : path)
      return .done
    })

  /// `kachery cat`
  static let cat = Command(
    name: "cat", usage: "URI", summary: "Writes a file, or a part of it, to standard output.",
    options: [
      Option("--start", "BYTE", "begin here; the first byte is 0"), Option("--end", "BYTE", "end before this byte"),
      fromNode, fromChannel, timeout, quiet,
    ],
    examples: ["kachery-cat sha1://…/notes.txt", "kachery-cat sha1://…/recording.bin --start 0 --end 1024 | xxd"],
    run: { (arguments) throws(KacheryError) in
      let uri = try KacheryURI(parsing: try arguments.operand("URI"))
      let (start, end) = (try arguments.bytes("--start"), try arguments.bytes("--end"))
      if let start, let end, start > end {
        throw KacheryError(.badRequest, "The end, byte \(end), lies before the start, byte \(start).")
      }
      let file = try LoadedFile.load(uri, arguments)
      try file.writeToOutput(start: start ?? 0, end: end)
      return .done
    })
}
