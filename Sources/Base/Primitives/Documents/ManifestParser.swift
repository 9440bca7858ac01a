extension Manifest {
  /// Reads a manifest from untrusted bytes.
  ///
  /// - Parameter chunkSize: required size of each chunk except the last; nil to use the first chunk's size.
  /// - Throws: `badManifest` if it is not JSON, lacks a field, or its chunks are not contiguous from 0 to the size,
  ///   each except the last of `chunkSize` bytes.
  package init(
    parsing bytes: some Collection<UInt8>, chunkSize: UInt64? = Limits.chunkSize
  ) throws(KacheryError) {
    var blocks = [Array(bytes)]
    try self.init(chunkSize: chunkSize) { () throws(KacheryError) in blocks.popLast() ?? [] }
  }

  /// Reads a manifest from untrusted bytes that arrive block by block. Never holds all bytes in memory; keeps 24 bytes
  /// per chunk.
  ///
  /// - Parameters:
  ///   - chunkSize: required size of each chunk except the last; nil to use the first chunk's size.
  ///   - nextBlock: returns the next bytes, empty at the end.
  /// - Throws: `badManifest` as above; also rethrows errors of `nextBlock`.
  package init(
    chunkSize: UInt64? = Limits.chunkSize, readingBy nextBlock: @escaping () throws(KacheryError) -> [UInt8]
  ) throws(KacheryError) {
    var parser = ManifestParser(chunkSize: chunkSize, scanner: ManifestScanner(nextBlock: nextBlock))
    self = try parser.manifest()
  }
}

/// Reads one manifest. Members may be in any order; unknown ones are skipped.
private struct ManifestParser {
  /// The fewest bytes that a chunk's JSON can have.
  private static let shortestChunk = #"{"start":0,"end":1,"sha1":""},"#.utf8.count + 2 * ContentHash.byteCount

  var chunkSize: UInt64?
  var scanner: ManifestScanner
  private var size: UInt64?
  private var hash: ContentHash?
  private var hashes: [ContentHash]?
  /// The end of the chunks read so far.
  private var end: UInt64 = 0

  init(chunkSize: UInt64?, scanner: ManifestScanner) {
    self.chunkSize = chunkSize
    self.scanner = scanner
  }

  mutating func manifest() throws(KacheryError) -> Manifest {
    var isFirst = true
    while let name = try scanner.nextMember(isFirst: &isFirst) {
      switch name {
      case "size" where size == nil: size = try scanner.number()
      case "sha1" where hash == nil: hash = try scanner.hash()
      case "chunks" where hashes == nil: hashes = try chunks()
      case "size", "sha1", "chunks": throw scanner.error("a member's name is repeated")
      default: try scanner.skipValue()
      }
    }
    try scanner.requireEnd()
    guard let size, let hash, let hashes else {
      throw KacheryError(.badManifest, "The manifest has no size, no sha1 or no chunks.")
    }
    guard end == size else {
      throw KacheryError(.badManifest, "The manifest's chunks end at byte \(end), but its file has \(size) bytes.")
    }
    return Manifest(size: size, hash: hash, chunkSize: chunkSize ?? Limits.chunkSize, chunkHashes: hashes)
  }

  private mutating func chunks() throws(KacheryError) -> [ContentHash] {
    var hashes: [ContentHash] = []
    if let size, let chunkSize {
      let possible = Limits.maximumManifestSize / UInt64(Self.shortestChunk)
      hashes.reserveCapacity(Int(min(Manifest.count(of: chunkSize, in: size), possible)))
    }
    var isFirst = true
    while try scanner.nextElement(isFirst: &isFirst) {
      guard let (range, hash) = try chunk(), follows(range, hashes.count) else {
        throw KacheryError(
          .badManifest, "Chunk \(hashes.count) of the manifest does not follow the one before it, or has a wrong size.")
      }
      hashes.append(hash)
      end = range.end
    }
    return hashes
  }

  /// Whether the next chunk must have this range; the first one may determine the chunk size.
  private mutating func follows(_ range: ByteRange, _ place: Int) -> Bool {
    let expected = chunkSize ?? range.count
    guard !range.isEmpty, range.count <= expected, range.start == end, range.end <= size ?? .max else { return false }
    chunkSize = expected
    // Only the last one may be shorter.
    return end.isMultiple(of: expected)
  }

  private mutating func chunk() throws(KacheryError) -> (ByteRange, ContentHash)? {
    var start: UInt64?
    var end: UInt64?
    var hash: ContentHash?
    var isFirst = true
    while let name = try scanner.nextMember(isFirst: &isFirst) {
      switch name {
      case "start" where start == nil: start = try scanner.number()
      case "end" where end == nil: end = try scanner.number()
      case "sha1" where hash == nil: hash = try scanner.hash()
      case "start", "end", "sha1": throw scanner.error("a member's name is repeated")
      default: try scanner.skipValue()
      }
    }
    guard let start, let end, let range = ByteRange(start: start, end: end), let hash else { return nil }
    return (range, hash)
  }
}
