import APIModel
import Primitives

extension Command {
  /// `kachery cat`
  static let cat = Command(
    name: "cat", usage: "URI", summary: "Writes a file, or a part of it, to standard output.",
    details: "Only the chunks of a large file that hold the part are loaded.",
    options: [
      Option("--start", "BYTE", "start at this byte; the first byte is 0"),
      Option("--end", "BYTE", "stop before this byte"),
      fromNode, fromChannel, channel, timeout, quiet, localOnly,
    ] + publishedLoading,
    examples: ["kachery-cat sha1://…/notes.txt", "kachery-cat sha1://…/recording.bin --start 0 --end 1024 | xxd"],
    run: { (arguments) throws(KacheryError) in
      Interruption.expect(advice: arguments.has("--quiet") ? nil : resumeAdvice)
      let file = try FileOperand(try arguments.operand("URI"), arguments)
      let (start, end) = (try arguments.bytes("--start"), try arguments.bytes("--end"))
      if let start, let end, start > end {
        throw KacheryError(.badRequest, "The end, byte \(end), is before the start, byte \(start).")
      }
      if start != nil || end != nil, case .stored(let uri) = file, let client = try Storage.forReading().storage.client,
        try FileRange(uri.key, start: start ?? 0, end: end, arguments).write(from: client)
      {
        return .done
      }
      try LoadedFile.load(file, arguments).writeToOutput(start: start ?? 0, end: end)
      return .done
    })
}
