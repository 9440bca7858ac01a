import APIModel
import Primitives

/// A part of a file that the daemon loads without the rest.
struct FileRange {
  private let key: FileKey
  private let start: UInt64
  private let end: UInt64?
  private let arguments: Arguments

  init(_ key: FileKey, start: UInt64, end: UInt64?, _ arguments: Arguments) {
    self.key = key
    self.start = start
    self.end = end
    self.arguments = arguments
  }

  /// Writes the part to standard output; returns false, having written nothing, if the whole file must be loaded.
  ///
  /// A daemon on this machine is trusted: it hashes what it receives. What a daemon on another machine sends is hashed
  /// here, chunk by chunk, and compared with the manifest that the URI names.
  ///
  /// - Throws: `hashMismatch` if a chunk does not match the manifest; none of that chunk is written.
  func write(from client: DaemonClient) throws(KacheryError) -> Bool {
    let file = RemoteFile(key: key, client: client, arguments: arguments)
    guard client.isRemote else {
      try file.read(start, end) { bytes in
        Console.output(bytes)
        return true
      }
      return true
    }
    guard let name = key.manifest, try RemoteCache().find(key.hash) == nil else { return false }
    let manifest = try file.manifest(name)
    let last = end ?? manifest.size
    guard start <= last, last <= manifest.size else {
      throw KacheryError(
        .badRequest, "Bytes \(start) to \(last) are outside the file, which has \(manifest.size) bytes.")
    }
    let chunks = manifest.chunks.filter { $0.range.start < last && $0.range.end > start }
    guard chunks.allSatisfy({ $0.range.count <= RemoteFile.largestChunk }) else { return false }
    for chunk in chunks {
      let bytes = try file.bytes(chunk.range.start, chunk.range.end, hash: chunk.hash)
      guard UInt64(bytes.count) == chunk.range.count else {
        throw KacheryError(
          .badManifest, "The manifest \(name) says that a chunk of \(bytes.count) bytes has \(chunk.range.count).")
      }
      let first = Int(max(start, chunk.range.start) - chunk.range.start)
      let count = Int(min(last, chunk.range.end) - chunk.range.start)
      bytes[first..<count].withUnsafeBytes { Console.output($0) }
    }
    return true
  }
}
