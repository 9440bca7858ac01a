/// What a client asks for: a file by its hash, perhaps with its manifest, perhaps as a part of a larger file.
package struct FileKey: Hashable, Sendable {
  package let hash: ContentHash
  /// The hash of the file's manifest, where the asker knows it.
  package let manifest: ContentHash?
  /// Where the bytes also lie: in this range of a larger file.
  package let chunkOf: ChunkLocation?

  package init(hash: ContentHash, manifest: ContentHash? = nil, chunkOf: ChunkLocation? = nil) {
    self.hash = hash
    self.manifest = manifest
    self.chunkOf = chunkOf
  }
}

/// A range of a larger file that holds the bytes of a chunk.
package struct ChunkLocation: Hashable, Sendable {
  /// Whether a part of a file can have this range: it ends where a file can end and is no larger than a part can be.
  package static func isPossible(_ range: ByteRange) -> Bool {
    range.end <= Limits.maximumFileSize && range.count <= Limits.maximumPartSize
  }

  package let parent: ContentHash
  /// The hash of the larger file's manifest, where the asker knows it.
  package let parentManifest: ContentHash?
  package let range: ByteRange

  package init(parent: ContentHash, parentManifest: ContentHash? = nil, range: ByteRange) {
    self.parent = parent
    self.parentManifest = parentManifest
    self.range = range
  }
}
