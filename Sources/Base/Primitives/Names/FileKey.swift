/// Identifies a requested file: by its hash, optionally with its manifest, optionally as a part of a larger file.
package struct FileKey: Hashable, Sendable {
  package let hash: ContentHash
  /// The hash of the file's manifest, if the client knows it.
  package let manifest: ContentHash?
  /// The range of a larger file that has the same bytes.
  package let chunkOf: ChunkLocation?

  package init(hash: ContentHash, manifest: ContentHash? = nil, chunkOf: ChunkLocation? = nil) {
    self.hash = hash
    self.manifest = manifest
    self.chunkOf = chunkOf
  }
}

/// The range of a larger file that contains a chunk's bytes.
package struct ChunkLocation: Hashable, Sendable {
  /// Whether the range can be a part of a file: within the largest file size and no larger than the largest part.
  package static func isPossible(_ range: ByteRange) -> Bool {
    range.end <= Limits.maximumFileSize && range.count <= Limits.maximumPartSize
  }

  package let parent: ContentHash
  /// The hash of the larger file's manifest, if the client knows it.
  package let parentManifest: ContentHash?
  package let range: ByteRange

  package init(parent: ContentHash, parentManifest: ContentHash? = nil, range: ByteRange) {
    self.parent = parent
    self.parentManifest = parentManifest
    self.range = range
  }
}
