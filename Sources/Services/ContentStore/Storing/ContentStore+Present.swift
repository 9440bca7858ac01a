import Files
import Primitives

/// Storing a file that is already present: nothing is written.
extension ContentStore {
  /// Most files of the same size to compare.
  private static let maximumCandidates = 64
  /// Bytes compared at each position.
  private static let sampleSize = 4_096

  /// The receipt for a file whose bytes are already stored; nil if they are not. The whole file is read only if a
  /// stored file looks the same.
  func presentCopy(of source: File, size: UInt64) throws(KacheryError) -> StoreReceipt? {
    guard size > 0, try mayBePresent(source, size: size) else { return nil }
    var digester = ContentDigester()
    try FileBlocks.forEach(of: source, ByteRange(whole: size)) { (block) throws(KacheryError) in
      try activity.requireTime()
      digester.update(block)
    }
    let (hash, manifest) = digester.finish()
    // A copy that may have been altered is replaced instead.
    guard let present = try FileSystem.statusIfPresent(layout.file(hash), followingLinks: false), present.size == size,
      isAsRecorded(hash, present)
    else { return nil }
    let manifestHash = try manifest.map(storeManifest)
    noteManifest(manifestHash, of: hash, size: size)
    return StoreReceipt(hash: hash, manifest: manifestHash, size: size)
  }

  /// Recordings of the same length have the same size: reading each of them twice would cost more than this saves.
  private func mayBePresent(_ source: File, size: UInt64) throws(KacheryError) -> Bool {
    guard let candidates = index?.files(ofSize: size, atMost: Self.maximumCandidates), !candidates.isEmpty else {
      return false
    }
    guard size > Limits.manifestThreshold else { return true }
    let places = [0, size / 2, size - UInt64(Self.sampleSize)]
    let samples = try places.map { (place) throws(KacheryError) in try source.bytes(at: place, count: Self.sampleSize) }
    return candidates.contains { hash in
      guard let stored = try? File(layout.file(hash), .readUnnoticed) else { return false }
      defer { stored.close() }
      return zip(places, samples).allSatisfy { place, sample in
        (try? stored.bytes(at: place, count: Self.sampleSize)) == sample
      }
    }
  }
}
