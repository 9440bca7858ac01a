import APIModel
import Files
import Primitives

extension Command {
  /// `kachery link`
  static let link = Command(
    name: "link", usage: "FILE…", summary: "Shares files in place, and prints their URIs.",
    details:
      "Nothing is copied. A link is valid until its file moves or changes; then link the file again.",
    options: [json, quiet], examples: ["kachery-link /data/session7/recording.bin"],
    run: { (arguments) throws(KacheryError) in
      guard !arguments.operands.isEmpty else { throw KacheryError(.badRequest, "The file to link is missing.") }
      let storage = try Storage.current(createIfMissing: true)
      return try forEach(of: arguments.operands) { (path) throws(KacheryError) in
        let reply = try link(path, in: storage)
        let uri = KacheryURI(
          key: FileKey(hash: reply.hash, manifest: reply.manifest),
          label: URILabel.escape(String(path.lastPathName)))
        let line: JSONValue = ["path": .string(path), "uri": .string(uri.description)]
        Console.result(arguments.has("--json") ? line.compact : uri.description)
      }
    })

  /// Runs `body` for each operand, and continues if one fails. A single operand's error becomes the command's.
  private static func forEach(
    of operands: [String], _ body: (String) throws(KacheryError) -> Void
  ) throws(KacheryError) -> ExitCode {
    if let only = operands.first, operands.count == 1 {
      try body(only)
      return .done
    }
    var outcome = ExitCode.done
    for operand in operands {
      do throws(KacheryError) { try body(operand) } catch {
        Console.error(error.message)
        outcome = outcome.joined(by: ExitCode(error))
      }
    }
    return outcome
  }

  private static func link(_ path: String, in storage: Storage) throws(KacheryError) -> StoreReply {
    let absolute: String
    do throws(KacheryError) { absolute = try FileSystem.resolved(path) } catch {
      throw KacheryError(.notFound, "'\(path)' cannot be linked: \(error.systemReason ?? error.message).")
    }
    switch storage {
    case .offline(let store):
      let receipt = try store.link(path: absolute)
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    case .online(let client) where client.isRemote:
      throw KacheryError(
        .badRequest,
        "'\(path)' is on this machine, but the daemon is on another, so it cannot link the file. Store it instead.")
    case .online(let client):
      let status: FileStatus
      do throws(KacheryError) { status = try FileSystem.status(absolute) } catch {
        throw KacheryError(.storageFailed, "'\(path)' cannot be linked: \(error.systemReason ?? error.message).")
      }
      return try StoreReply(
        json: try client.post(
          "/linkFile",
          [
            "localFilePath": .string(absolute), "size": .integer(Int64(clamping: status.size)),
            "mtime": .double(status.modified),
          ]))
    }
  }
}
