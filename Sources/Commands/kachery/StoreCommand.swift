import APIModel
import ContentStore
import Glibc
import Primitives

extension Command {
  /// `kachery store`
  static let store = Command(
    name: "store", usage: "FILE… | -", summary: "Stores files and prints the URI of each, by which others can load it.",
    details: "The file '-' is standard input. A file that is stored already is not copied again.",
    options: [Option("--label", "NAME", "the name at the end of the URI, in place of the file's"), json, quiet],
    examples: ["kachery-store recording.bin", "gzip -c notes.txt | kachery-store - --label notes.txt.gz"],
    run: { (arguments) throws(KacheryError) in
      guard !arguments.operands.isEmpty else { throw KacheryError(.badRequest, "The file to store is missing.") }
      let storage = try Storage.current()
      for path in arguments.operands {
        let receipt = try FileToStore(path: path).store(in: storage)
        let name = arguments.value("--label") ?? (path == "-" ? "" : String(path.split(separator: "/").last ?? ""))
        let uri = KacheryURI(
          key: FileKey(hash: receipt.hash, manifest: receipt.manifest), label: URILabel.escape(name))
        guard arguments.has("--json") else {
          Console.result(uri.description)
          continue
        }
        Console.result((["path": .string(path), "uri": .string(uri.description)] as JSONValue).compact)
      }
      return .done
    })
}

/// A file that is to be stored, or standard input.
private struct FileToStore {
  let path: String

  func store(in storage: Storage) throws(KacheryError) -> StoreReply {
    if path == "-" { return try upload(STDIN_FILENO, size: nil, to: storage) }
    switch storage {
    case .offline(let store):
      let receipt = try store.store(path: path)
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    case .online(let client):
      return try storeThroughDaemon(client, storage)
    }
  }

  /// The daemon reads the file itself; where it may not, or does not see it, the bytes are sent to it.
  private func storeThroughDaemon(_ client: DaemonClient, _ storage: Storage) throws(KacheryError) -> StoreReply {
    guard let resolved = realpath(path, nil) else { throw problem() }
    defer { free(resolved) }
    do throws(KacheryError) {
      return try StoreReply(
        json: try client.post("/storeFile", ["localFilePath": .string(String(cString: resolved))]))
    } catch  where error.code == .permissionDenied || error.code == .notFound {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw problem() }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw problem() }
      return try upload(descriptor, size: UInt64(status.st_size), to: storage)
    }
  }

  private func problem() -> KacheryError {
    let number = errno
    let code: KacheryError.Code = number == ENOENT ? .notFound : number == EACCES ? .permissionDenied : .storageFailed
    return KacheryError(code, "'\(path)' cannot be stored: \(String(cString: strerror(number))).")
  }

  private func upload(_ descriptor: Int32, size: UInt64?, to storage: Storage) throws(KacheryError) -> StoreReply {
    switch storage {
    case .online(let client): return try client.upload(descriptor, size: size)
    case .offline(let store):
      let writer = try store.beginStore()
      var buffer = [UInt8](repeating: 0, count: Limits.blockSize)
      while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw problem() }
        if count == 0 { break }
        try writer.write(Array(buffer.prefix(count)))
      }
      let receipt = try writer.finish()
      return StoreReply(hash: receipt.hash, manifest: receipt.manifest)
    }
  }
}

/// The name at the end of a URI.
enum URILabel {
  /// The name with whatever would end or break the URI written as `%XX`. Letters of any script stay readable.
  static func escape(_ name: String) -> String {
    var escaped = ""
    for scalar in name.unicodeScalars {
      let breaks = scalar.value <= 0x20 || scalar.value == 0x7f || ["%", "?", "#", "/"].contains(Character(scalar))
      escaped += breaks ? "%" + Hex.encode(Array(String(scalar).utf8)).uppercased() : String(scalar)
    }
    return escaped
  }
}
