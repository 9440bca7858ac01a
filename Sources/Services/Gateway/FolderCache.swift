import Primitives

/// The folders that were asked for last, so that a reader of many files in one does not have its document read for each.
/// Bound to its owner's loop.
final class FolderCache {
  typealias Read = Task<Result<FolderDocument, KacheryError>, Never>

  /// Bytes of the largest document, which takes several times as much memory: enough for 100,000 files.
  static let largestDocument: UInt64 = 16 << 20
  /// Bytes of all documents together.
  private static let limit: UInt64 = 32 << 20
  /// Documents that are being read at a time.
  private static let mostReads = 4

  private var known: [ContentHash: (folder: FolderDocument, size: UInt64, use: UInt64)] = [:]
  private var reads: [ContentHash: Read] = [:]
  private var lastUse: UInt64 = 0

  /// The folder, if it is known.
  func folder(_ hash: ContentHash) -> FolderDocument? {
    lastUse += 1
    known[hash]?.use = lastUse
    return known[hash]?.folder
  }

  /// The reading of a folder that is under way, or else a new one; nil if too many are.
  func read(_ hash: ContentHash, begin: () -> Read) -> Read? {
    if let read = reads[hash] { return read }
    guard reads.count < Self.mostReads else { return nil }
    let read = begin()
    reads[hash] = read
    return read
  }

  /// Ends the reading of a folder. Idempotent.
  ///
  /// - Parameter folder: nil if it failed.
  func ended(_ hash: ContentHash, _ folder: FolderDocument?, size: UInt64) {
    guard reads.removeValue(forKey: hash) != nil, let folder else { return }
    lastUse += 1
    known[hash] = (folder, size, lastUse)
    while known.values.reduce(0, { $0 + $1.size }) > Self.limit,
      let oldest = known.min(by: { $0.value.use < $1.value.use })
    {
      known[oldest.key] = nil
    }
  }
}
