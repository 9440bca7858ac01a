import APIModel
import ContentStore
import Crypto
import Glibc
import Primitives

/// A part of a file that a daemon brings without the rest of it.
struct FileRange {
  /// The largest chunk that is held in memory to be checked: several times as large as any that is written.
  private static let largestChunk: UInt64 = 64 << 20

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

  /// Writes the part to standard output; false, and nothing written, where the whole file has to be loaded for it.
  ///
  /// A daemon of this machine is believed: it hashes what comes from others. What one elsewhere sends is hashed here, chunk
  /// by chunk, against the manifest that the URI names.
  ///
  /// - Throws: `hashMismatch` where a chunk is not what the manifest says; nothing of it was written then.
  func write(from client: DaemonClient) throws(KacheryError) -> Bool {
    guard client.isRemote else {
      try read(key, start, end, from: client) { bytes in
        Console.output(bytes)
        return true
      }
      return true
    }
    guard let name = key.manifest, !RemoteCache.has(key.hash) else { return false }
    let manifest = try manifest(name, from: client)
    let last = end ?? manifest.size
    guard start <= last, last <= manifest.size else {
      throw KacheryError(
        .badRequest, "Bytes \(start) to \(last) do not lie in the file, which has \(manifest.size).")
    }
    let chunks = manifest.chunks.filter { $0.range.start < last && $0.range.end > start }
    guard chunks.allSatisfy({ $0.range.count <= Self.largestChunk }) else { return false }
    for chunk in chunks {
      let bytes = try bytes(key, chunk.range.start, chunk.range.end, hash: chunk.hash, from: client)
      let first = Int(max(start, chunk.range.start) - chunk.range.start)
      let count = Int(min(last, chunk.range.end) - chunk.range.start)
      bytes[first..<count].withUnsafeBytes { Console.output($0) }
    }
    return true
  }

  private func manifest(_ name: ContentHash, from client: DaemonClient) throws(KacheryError) -> Manifest {
    let manifest = try Manifest(parsing: try bytes(FileKey(hash: name), 0, nil, hash: name, from: client))
    guard manifest.hash == key.hash else {
      throw KacheryError(.badManifest, "The manifest \(name) is that of another file than \(key.hash).")
    }
    return manifest
  }

  /// Bytes that have this hash.
  private func bytes(
    _ key: FileKey, _ start: UInt64, _ end: UInt64?, hash: ContentHash, from client: DaemonClient
  ) throws(KacheryError) -> [UInt8] {
    var bytes: [UInt8] = []
    try read(key, start, end, from: client) { block in
      bytes += block
      return UInt64(bytes.count) <= Self.largestChunk
    }
    guard ContentHash.of(bytes) == hash else {
      throw KacheryError(
        .hashMismatch,
        "What the daemon sent of \(key.hash) is not what the URI promises: it should have the hash \(hash).")
    }
    return bytes
  }

  private func read(
    _ key: FileKey, _ start: UInt64, _ end: UInt64?, from client: DaemonClient,
    _ receive: (UnsafeRawBufferPointer) -> Bool
  ) throws(KacheryError) {
    let request = ReadRequest(
      key: key, start: start, end: end, node: try arguments.node(askedBy: client), channel: arguments.askedChannel)
    try client.download(request.json, from: "/v1/read", timeout: try arguments.seconds("--timeout"), receive)
  }
}
