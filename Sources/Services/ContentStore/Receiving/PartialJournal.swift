import Files
import Primitives

/// The list of verified chunks beside a partial file: one line per chunk, written after the chunk.
///
/// A hint only: after a power failure the line may survive without the chunk, so each chunk is hashed again before use.
struct PartialJournal: Sendable {
  /// Enough for the chunks of 10 TB.
  private static let maximumSize = 64 << 20

  private let path: String?
  private var file: File?
  private var end: UInt64 = 0

  /// The list at `path`; nil if no later session may resume the partial file, and then no list is kept.
  init(path: String?) { self.path = path }

  /// Whether a list is kept.
  var isKept: Bool { path != nil }

  /// The chunks that an earlier session listed. Leaves the list unchanged.
  var listed: [Manifest.Chunk] {
    guard let path, let bytes = try? FileSystem.read(path, limit: Self.maximumSize) else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap(Self.chunk)
  }

  /// Returns the chunks of an earlier session, if there was one, and empties the list.
  mutating func takeOver() throws(KacheryError) -> [Manifest.Chunk] {
    guard let path, try FileSystem.statusIfPresent(path, followingLinks: false) != nil else { return [] }
    let chunks = listed
    try FileSystem.remove(path)
    return chunks
  }

  /// Adds a chunk.
  mutating func append(_ chunk: Manifest.Chunk) throws(KacheryError) {
    guard let path else { return }
    if file == nil { file = try File(path, .create(permissions: 0o600)) }
    let line = Array("\(chunk.range.start) \(chunk.range.end) \(chunk.hash)\n".utf8)
    try file?.write(at: end, line)
    end += UInt64(line.count)
  }

  /// Removes the list.
  mutating func remove() throws(KacheryError) {
    file = nil
    if let path { try FileSystem.remove(path) }
  }

  /// Nil for a line that is cut short or damaged.
  private static func chunk(_ line: ArraySlice<UInt8>) -> Manifest.Chunk? {
    let parts = String(decoding: line, as: UTF8.self).parts(separatedBy: " ")
    guard parts.count == 3, let start = UInt64(parts[0]), let end = UInt64(parts[1]),
      let range = ByteRange(start: start, end: end), let hash = ContentHash(hex: parts[2])
    else { return nil }
    return Manifest.Chunk(range: range, hash: hash)
  }
}
