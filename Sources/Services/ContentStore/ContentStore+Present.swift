import Files
import Primitives

/// Storing what is here already: nothing is written.
extension ContentStore {
  /// Files of the same size that are looked at, at most.
  private static let maximumCandidates = 64
  /// Bytes that are compared at each place.
  private static let sampleSize = 4_096

  /// What is known of a file whose bytes are here already; nil if they are not. Only where a stored file looks the same
  /// are all bytes read for it.
  func presentCopy(of source: File, size: UInt64) throws(KacheryError) -> StoreReceipt? {
    guard size > 0, try mayBePresent(source, size: size) else { return nil }
    var digester = ContentDigester()
    try FileBlocks.forEach(of: source, ByteRange(whole: size)) { (block) throws(KacheryError) in
      try activity.requireTime()
      digester.update(block)
    }
    let (hash, manifest) = digester.finish()
    // A copy that may have been altered is replaced.
    guard let present = try FileSystem.statusIfPresent(layout.file(hash), followingLinks: false), present.size == size,
      isAsRecorded(hash, present)
    else { return nil }
    let manifestHash = try manifest.map(storeManifest)
    noteManifest(manifestHash, of: hash, size: size)
    return StoreReceipt(hash: hash, manifest: manifestHash, size: size)
  }

  /// Recordings of one length have one size: reading each twice would cost more than this saves.
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
