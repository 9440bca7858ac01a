import APIModel
import Crypto
import Primitives

/// A file of a daemon on another machine, which is not trusted: what it sends is hashed here.
struct RemoteFile {
  /// The largest chunk to hold in memory for checking, in bytes: several times the largest that is written.
  static let largestChunk: UInt64 = 64 << 20

  let key: FileKey
  let client: DaemonClient
  let arguments: Arguments

  /// The manifest that the URI names.
  func manifest(_ name: ContentHash) throws(KacheryError) -> Manifest {
    let file = RemoteFile(key: FileKey(hash: name), client: client, arguments: arguments)
    let manifest = try Manifest(parsing: try file.bytes(0, nil, hash: name))
    guard manifest.hash == key.hash else {
      throw KacheryError(.badManifest, "The manifest \(name) belongs to another file, not to \(key.hash).")
    }
    return manifest
  }

  /// Bytes that have this hash.
  func bytes(_ start: UInt64, _ end: UInt64?, hash: ContentHash) throws(KacheryError) -> [UInt8] {
    var bytes: [UInt8] = []
    try read(start, end) { block in
      bytes += block
      return UInt64(bytes.count) <= Self.largestChunk
    }
    guard ContentHash.of(bytes) == hash else {
      throw KacheryError(
        .hashMismatch,
        "The daemon sent wrong bytes of \(key.hash): they should have the hash \(hash).")
    }
    return bytes
  }

  /// Passes on bytes as they arrive, unchecked.
  func read(
    _ start: UInt64, _ end: UInt64?, _ receive: (UnsafeRawBufferPointer) -> Bool
  ) throws(KacheryError) {
    let request = ReadRequest(
      key: key, start: start, end: end, node: try arguments.node(askedBy: client),
      channel: try arguments.askedChannel())
    try client.download(request.json, from: "/v1/read", timeout: try arguments.seconds("--timeout"), receive)
  }
}
