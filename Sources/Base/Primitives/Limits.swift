/// Sizes that the storage format fixes or that several modules share.
package enum Limits {
  /// Bytes in a chunk of a manifest; the last chunk may be shorter. Fixed by the storage format.
  package static let chunkSize: UInt64 = 20_000_000
  /// Files over this many bytes are stored with a manifest. Fixed by the storage format.
  package static let manifestThreshold: UInt64 = 20_000_000
  /// Bytes in the largest accepted manifest: about 100 per chunk, so enough for a file of 10 TB.
  package static let maximumManifestSize: UInt64 = 64 << 20
  /// Bytes in the largest file: file systems use signed 64-bit sizes. Two positions can be added without overflow.
  package static let maximumFileSize = UInt64(Int64.max)
  /// Bytes in the largest part that a `chunkOf` may name: 50 times a chunk, for software that cut larger parts.
  package static let maximumPartSize: UInt64 = 1_000_000_000
  /// The block size for reading, hashing and writing files: large enough to hide a hop between threads, small enough
  /// for a core's cache.
  package static let blockSize = 256 << 10
}
