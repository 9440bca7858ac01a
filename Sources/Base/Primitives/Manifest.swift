/// The description of a large file as chunks, each with its own hash. A manifest is a claim: only the whole file's hash
/// counts in the end.
package struct Manifest: Hashable, Sendable {
  /// One chunk: where it lies and what its bytes hash to.
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
  /// The chunks, which follow one another without gap from 0 to `size`.
  package let chunks: [Chunk]

  /// The manifest of a file whose chunks are known to follow one another.
  package init(size: UInt64, hash: ContentHash, chunks: [Chunk]) {
    self.size = size
    self.hash = hash
    self.chunks = chunks
  }

  /// The manifest as every kachery client writes it: these keys, in this order, without spaces.
  package var json: JSONValue {
    let chunks = chunks.map { chunk in
      JSONValue.object([
        "start": .integer(Int64(clamping: chunk.range.start)), "end": .integer(Int64(clamping: chunk.range.end)),
        "sha1": .string(chunk.hash.hex),
      ])
    }
    return ["size": .integer(Int64(clamping: size)), "sha1": .string(hash.hex), "chunks": .array(chunks)]
  }

  /// Reads a manifest from untrusted bytes.
  ///
  /// - Throws: `badManifest` where it is not JSON, lacks a field, or its chunks do not follow one another from 0 to the
  ///   size.
  package init(parsing bytes: some Sequence<UInt8>) throws(KacheryError) {
    let document: JSONValue
    do { document = try JSONParser.parse(bytes) } catch {
      throw KacheryError(.badManifest, "The manifest is not JSON: \(error).", cause: error)
    }
    guard let size = document["size"]?.unsigned, let hash = document["sha1"]?.string.flatMap({ ContentHash(hex: $0) }),
      let entries = document["chunks"]?.array
    else { throw KacheryError(.badManifest, "The manifest lacks its size, its sha1 or its chunks.") }
    var end: UInt64 = 0
    var chunks: [Chunk] = []
    for entry in entries {
      guard let start = entry["start"]?.unsigned, let next = entry["end"]?.unsigned, start == end,
        let range = ByteRange(start: start, end: next), !range.isEmpty,
        let chunkHash = entry["sha1"]?.string.flatMap({ ContentHash(hex: $0) })
      else {
        throw KacheryError(.badManifest, "Chunk \(chunks.count) of the manifest does not follow the one before it.")
      }
      chunks.append(Chunk(range: range, hash: chunkHash))
      end = next
    }
    guard end == size else {
      throw KacheryError(.badManifest, "The manifest's chunks end at \(end), its file at \(size).")
    }
    self.init(size: size, hash: hash, chunks: chunks)
  }
}
