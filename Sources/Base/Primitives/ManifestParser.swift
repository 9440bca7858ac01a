extension Manifest {
  /// Reads a manifest from untrusted bytes.
  ///
  /// - Parameter chunkSize: how many bytes each chunk but the last must have; nil takes what the first one has.
  /// - Throws: `badManifest` if it is not JSON, lacks a field, or its chunks do not follow one another from 0 to the
  ///   size, each but the last of `chunkSize` bytes.
  package init(
    parsing bytes: some Collection<UInt8>, chunkSize: UInt64? = Limits.chunkSize
  ) throws(KacheryError) {
    var blocks = [Array(bytes)]
    try self.init(chunkSize: chunkSize) { () throws(KacheryError) in blocks.popLast() ?? [] }
  }

  /// Reads a manifest from untrusted bytes that come block by block: never are all of them in memory, and of each chunk 24
  /// bytes are kept.
  ///
  /// - Parameters:
  ///   - chunkSize: how many bytes each chunk but the last must have; nil takes what the first one has.
  ///   - nextBlock: gives the next bytes, none at the end.
  /// - Throws: `badManifest` as for bytes that are all there; what `nextBlock` throws.
  package init(
    chunkSize: UInt64? = Limits.chunkSize, readingBy nextBlock: @escaping () throws(KacheryError) -> [UInt8]
  ) throws(KacheryError) {
    var parser = ManifestParser(chunkSize: chunkSize, scanner: ManifestScanner(nextBlock: nextBlock))
    self = try parser.manifest()
  }
}

/// Reads one manifest. Members may come in any order, and those that are not known are passed over.
private struct ManifestParser {
  /// The fewest bytes in which a chunk can be written.
  private static let shortestChunk = #"{"start":0,"end":1,"sha1":""},"#.utf8.count + 2 * ContentHash.byteCount

  var chunkSize: UInt64?
  var scanner: ManifestScanner
  private var size: UInt64?
  private var hash: ContentHash?
  private var hashes: [ContentHash]?
  /// Where the chunks that were read so far end.
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
      case "size", "sha1", "chunks": throw scanner.error("a member's name stands twice")
      default: try scanner.skipValue()
      }
    }
    try scanner.requireEnd()
    guard let size, let hash, let hashes else {
      throw KacheryError(.badManifest, "The manifest lacks its size, its sha1 or its chunks.")
    }
    guard end == size else {
      throw KacheryError(.badManifest, "The manifest's chunks end at \(end), its file at \(size).")
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

  /// Whether this is where the next chunk must lie; the first one may say how large chunks are.
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
      case "start", "end", "sha1": throw scanner.error("a member's name stands twice")
      default: try scanner.skipValue()
      }
    }
    guard let start, let end, let range = ByteRange(start: start, end: end), let hash else { return nil }
    return (range, hash)
  }
}
