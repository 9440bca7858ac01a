import Crypto
import Files
import Primitives

/// Takes over chunks that are already present: those of an earlier session, and those stored as files of their own.
/// Hashes each of them again.
struct Resumption {
  let file: File
  var journal: PartialJournal
  private(set) var prefix = PrefixDigest()
  /// In file order.
  private(set) var verified: [Manifest.Chunk] = []

  init(file: File, journal: PartialJournal) {
    self.file = file
    self.journal = journal
  }

  var verifiedBytes: UInt64 { verified.reduce(0) { $0 + $1.range.count } }

  /// Takes over the chunks among `wanted` that are listed, or that `stored` opens as files. If there are none,
  /// truncates the file to empty.
  mutating func take(
    _ wanted: [Manifest.Chunk], size: UInt64, stored: (Manifest.Chunk) -> File?
  ) throws(KacheryError) {
    let listed = Set(try journal.takeOver())
    let length = try file.status().size
    var end: UInt64 = 0
    for chunk in wanted.sorted(by: { $0.range.start < $1.range.start }) {
      guard chunk.range.start >= end, chunk.range.end <= size, !chunk.range.isEmpty else { continue }
      var isHere = false
      if listed.contains(chunk), chunk.range.end <= length { isHere = try hasItsHash(chunk) }
      if !isHere, let source = stored(chunk) { isHere = try copy(chunk, from: source) }
      guard isHere else { continue }
      end = chunk.range.end
      verified.append(chunk)
      try journal.append(chunk)
    }
    if verified.isEmpty { try file.truncate(to: 0) }
  }

  /// - Returns: whether the chunk, a stored file, is now in its place.
  private mutating func copy(_ chunk: Manifest.Chunk, from source: File) throws(KacheryError) -> Bool {
    defer { source.close() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.blockSize, alignment: 4096)
    defer { buffer.deallocate() }
    var offset: UInt64 = 0
    while offset < chunk.range.count {
      let count = Int(min(UInt64(buffer.count), chunk.range.count - offset))
      let block = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
      guard try source.read(at: offset, into: block) == count else { return false }
      try file.write(at: chunk.range.start + offset, UnsafeRawBufferPointer(block))
      offset += UInt64(count)
    }
    return try hasItsHash(chunk)
  }

  private mutating func hasItsHash(_ chunk: Manifest.Chunk) throws(KacheryError) -> Bool {
    var digest: SHA1Digest? = SHA1Digest()
    let isFeeding = prefix.begin(at: chunk.range.start)
    try FileBlocks.forEach(of: file, chunk.range) { block in
      if isFeeding { prefix.update(block, alongside: &digest) } else { digest?.update(block) }
    }
    let isRight = digest?.finish() == chunk.hash
    if isFeeding, isRight { prefix.commit() }
    if isFeeding, !isRight { prefix.rollBack() }
    return isRight
  }
}
