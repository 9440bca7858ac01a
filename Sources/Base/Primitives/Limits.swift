/// Sizes that the storage format fixes, shared by every module.
package enum Limits {
  /// Bytes in a chunk of a manifest; the last chunk may be shorter. Fixed by the storage format.
  package static let chunkSize: UInt64 = 20_000_000
  /// Files over this many bytes are stored with a manifest. Fixed by the storage format.
  package static let manifestThreshold: UInt64 = 20_000_000
  /// The largest manifest accepted, in bytes: about 100 a chunk, so enough for a file of 10 TB.
  package static let maximumManifestSize: UInt64 = 64 << 20
  /// Bytes in the largest file: a file system counts them in 63 bits. Two positions in files can be added in 64.
  package static let maximumFileSize = UInt64(Int64.max)
  /// Bytes in the largest part that a key names as `chunkOf`: 50 times a chunk, for software that cut larger ones.
  package static let maximumPartSize: UInt64 = 1_000_000_000
  /// The block in which file bytes are read, hashed and written: large enough to hide a hop between threads, small
  /// enough to stay in a core's cache.
  package static let blockSize = 256 << 10
}
