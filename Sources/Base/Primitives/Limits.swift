/// Sizes that the storage format fixes, shared by every module.
package enum Limits {
  /// Bytes in a chunk of a manifest; the last chunk may be shorter. Fixed by the storage format.
  package static let chunkSize: UInt64 = 20_000_000
  /// Files over this many bytes are stored with a manifest. Fixed by the storage format.
  package static let manifestThreshold: UInt64 = 20_000_000
  /// The largest manifest accepted, in bytes: about 100 a chunk, so enough for a file of 10 TB.
  package static let maximumManifestSize: UInt64 = 64 << 20
  /// The block in which file bytes are read, hashed and written: large enough to hide a hop between threads, small
  /// enough to stay in a core's cache.
  package static let blockSize = 256 << 10
}
