/// The description of a large file as chunks, each with its own hash. A manifest is a claim: only the whole file's hash
/// is proof.
package struct Manifest: Hashable, Sendable {
  /// One chunk: its range and the hash of its bytes.
  package struct Chunk: Hashable, Sendable {
    package let range: ByteRange
    package let hash: ContentHash

    package init(range: ByteRange, hash: ContentHash) {
      self.range = range
      self.hash = hash
    }
  }

  /// The file's size in bytes.
  package let size: UInt64
  /// The file's hash.
  package let hash: ContentHash
  /// Bytes in each chunk except the last, which may be shorter.
  package let chunkSize: UInt64
  /// The hashes of the chunks in order, one for each chunk.
  package let chunkHashes: [ContentHash]

  /// The manifest of a file that was read. The caller must pass as many hashes as a file of this size has chunks.
  package init(size: UInt64, hash: ContentHash, chunkSize: UInt64 = Limits.chunkSize, chunkHashes: [ContentHash]) {
    precondition(UInt64(chunkHashes.count) == Self.count(of: chunkSize, in: size), "a hash for each chunk")
    self.size = size
    self.hash = hash
    self.chunkSize = chunkSize
    self.chunkHashes = chunkHashes
  }

  /// How many chunks of `chunkSize` bytes a file has.
  static func count(of chunkSize: UInt64, in size: UInt64) -> UInt64 {
    let (whole, rest) = size.quotientAndRemainder(dividingBy: chunkSize)
    return whole + (rest > 0 ? 1 : 0)
  }

  /// The chunks, contiguous from 0 to `size`.
  package var chunks: Chunks { Chunks(manifest: self) }

  /// The chunks of a manifest, computed on demand.
  package struct Chunks: RandomAccessCollection, Sendable {
    let manifest: Manifest

    package var startIndex: Int { 0 }
    package var endIndex: Int { manifest.chunkHashes.count }

    package subscript(place: Int) -> Chunk {
      Chunk(range: manifest.range(ofChunk: place), hash: manifest.chunkHashes[place])
    }
  }

  /// The index of the chunk that contains a byte; nil if the file ends before it.
  package func chunk(holding offset: UInt64) -> Int? { offset < size ? Int(offset / chunkSize) : nil }

  private func range(ofChunk place: Int) -> ByteRange {
    let start = UInt64(place) * chunkSize
    return ByteRange(start: start, end: start + min(chunkSize, size - start)) ?? ByteRange(whole: 0)
  }
}

extension Manifest {
  /// Chunks written per piece, of about 100 KB.
  private static let chunksPerPiece = 1_000

  /// Passes the manifest, as every kachery client writes it, to `take` piece by piece: these keys, in this order,
  /// without spaces.
  package func write<Failure: Error>(_ take: ([UInt8]) throws(Failure) -> Void) throws(Failure) {
    var piece = Array(#"{"size":\#(size),"sha1":"\#(hash)","chunks":["#.utf8)
    for (place, chunk) in chunks.enumerated() {
      if place > 0 { piece.append(UInt8(ascii: ",")) }
      piece += #"{"start":\#(chunk.range.start),"end":\#(chunk.range.end),"sha1":"\#(chunk.hash)"}"#.utf8
      guard place % Self.chunksPerPiece == Self.chunksPerPiece - 1 else { continue }
      try take(piece)
      piece.removeAll(keepingCapacity: true)
    }
    try take(piece + "]}".utf8)
  }

  /// The manifest as every kachery client writes it.
  package var bytes: [UInt8] {
    var all: [UInt8] = []
    write { all += $0 }
    return all
  }
}
