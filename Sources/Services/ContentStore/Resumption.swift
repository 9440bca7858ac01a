import Crypto
import Files
import Primitives

/// Takes over what an earlier session left of a file: chunks that are listed, still wanted and still have their hash.
struct Resumption {
  let file: File
  var journal: PartialJournal
  private(set) var prefix = PrefixDigest()
  /// In the order of their places.
  private(set) var verified: [Manifest.Chunk] = []

  init(file: File, journal: PartialJournal) {
    self.file = file
    self.journal = journal
  }

  var verifiedBytes: UInt64 { verified.reduce(0) { $0 + $1.range.count } }

  /// Takes over what is listed and is among `wanted`; where that is nothing, the file is empty afterwards.
  mutating func take(_ wanted: [Manifest.Chunk], size: UInt64) throws(KacheryError) {
    let listed = Set(try journal.takeOver())
    let length = try file.status().size
    var end: UInt64 = 0
    for chunk in wanted.sorted(by: { $0.range.start < $1.range.start }) where listed.contains(chunk) {
      let isInside = chunk.range.start >= end && chunk.range.end <= min(size, length) && !chunk.range.isEmpty
      guard isInside, try hasItsHash(chunk) else { continue }
      end = chunk.range.end
      verified.append(chunk)
      try journal.append(chunk)
    }
    if verified.isEmpty { try file.truncate(to: 0) }
  }

  private mutating func hasItsHash(_ chunk: Manifest.Chunk) throws(KacheryError) -> Bool {
    var digest = SHA1Digest()
    let isFeeding = prefix.begin(at: chunk.range.start)
    try FileBlocks.forEach(of: file, chunk.range) { block in
      digest.update(block)
      if isFeeding { prefix.update(block) }
    }
    let isRight = digest.finish() == chunk.hash
    if isFeeding, isRight { prefix.commit() }
    if isFeeding, !isRight { prefix.rollBack() }
    return isRight
  }
}
