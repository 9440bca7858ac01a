import Files
import Primitives

/// The content of a `.link` file: `path` is valid while the file there looks as it did when it was linked.
struct LinkDocument: Hashable, Sendable {
  /// Far above the longest path with its quotation and escapes.
  static let maximumSize = 64 << 10
  /// Python's seconds and JavaScript's milliseconds both lose precision.
  private static let toleranceSeconds = 0.002

  let path: String
  let manifest: ContentHash?
  let size: UInt64
  /// In seconds since 1970.
  let modified: Double

  /// Reads the document.
  ///
  /// - Parameter path: the link's own path, for the error.
  /// - Throws: `storageFailed` if it is damaged.
  init(parsing bytes: [UInt8], path: String) throws(KacheryError) {
    guard let document = try? JSONParser.parse(bytes), let target = document["path"]?.string, target.begins(with: "/"),
      let size = document["stat"]?["size"]?.unsigned, let modified = document["stat"]?["mtime"]?.number
    else {
      throw KacheryError(.storageFailed, "The link \(path) is damaged; remove it and link the file again.")
    }
    self.path = target
    self.size = size
    self.modified = modified
    manifest = document["manifestSha1"]?.string.flatMap { ContentHash(hex: $0) }
  }

  init(path: String, manifest: ContentHash?, size: UInt64, modified: Double) {
    self.path = path
    self.manifest = manifest
    self.size = size
    self.modified = modified
  }

  /// The document in the storage format.
  var json: JSONValue {
    [
      "path": .string(path), "manifestSha1": manifest.map { .string($0.hex) } ?? .null,
      "stat": ["size": .integer(Int64(clamping: size)), "mtime": .double(modified)],
    ]
  }

  /// Whether the link has this path, byte for byte: two names that look alike may be two files.
  func isAt(_ path: String) -> Bool { ByteString(self.path) == ByteString(path) }

  /// Whether a file with this status is still the one that was linked. Only a regular file can be.
  func matches(_ status: FileStatus) -> Bool {
    status.kind == .regular && status.size == size && abs(status.modified - modified) <= Self.toleranceSeconds
  }
}
