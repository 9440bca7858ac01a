import Crypto
import Files
package import Primitives

extension ContentStore {
  /// Files added to the index in one step, so that other threads can use it in between.
  private static let batch = 500

  /// Adds every stored file that the index does not know yet. Takes about ten seconds for a million files: call it in
  /// the background.
  ///
  /// Recognizes a manifest by its form; two manifests that contradict each other are both ignored.
  ///
  /// - Parameter isWanted: called now and then; returns whether to continue.
  package func completeIndex(while isWanted: () -> Bool = { true }) throws(KacheryError) {
    guard let index, !index.isComplete else { return }
    var found: [FoundOnDisk] = []
    var claims: [ContentHash: ContentHash?] = [:]
    let isWhole = try StoreWalk(layout: layout).visit { (entry) throws(KacheryError) in
      switch entry {
      case .foreign: return true
      case .link(let hash):
        guard let file = try? find(hash), file.isLink else { return true }
        let link = FoundOnDisk(hash: hash, size: file.size, manifest: file.linkedManifest, used: FileSystem.now)
        found.append(link)
      case .file(let hash, let status):
        let stamp = status.size > Self.hashedAtFirstSight ? FileStamp(status) : nil
        found.append(
          FoundOnDisk(hash: hash, size: status.size, manifest: nil, stamp: stamp, used: Self.lastUse(status)))
        if let subject = subjectOfManifest(hash, size: status.size) {
          claims[subject] = claims[subject] == nil ? .some(hash) : .some(nil)
        }
      }
      guard found.count >= Self.batch else { return true }
      index.take(found)
      found = []
      return isWanted()
    }
    index.take(found)
    guard isWhole else { return }
    for (subject, manifest) in claims {
      guard let manifest, let size = try find(subject)?.size else { continue }
      index.take([FoundOnDisk(hash: subject, size: size, manifest: manifest, used: FileSystem.now)])
    }
    index.markComplete()
  }

  /// When a file was last used, according to the file system, in seconds since 1970.
  static func lastUse(_ status: FileStatus) -> Int64 {
    max(status.accessedNanoseconds, status.modifiedNanoseconds) / 1_000_000_000
  }

  /// The file that a stored file describes, if it is a manifest in the form that this software writes.
  private func subjectOfManifest(_ hash: ContentHash, size: UInt64) -> ContentHash? {
    let beginning = Array(#"{"size":"#.utf8)
    guard size <= Limits.maximumManifestSize, size > UInt64(beginning.count),
      let file = try? File(layout.file(hash), .readUnnoticed),
      (try? file.bytes(at: 0, count: beginning.count)) == beginning,
      let manifest = try? Manifest(readingBy: ManifestReading.blocks(of: file, size: size)),
      manifest.size > Limits.manifestThreshold
    else { return nil }
    // If writing it again yields the same hash, it was whole and in this form.
    var digest = SHA1Digest()
    manifest.write { piece in piece.withUnsafeBytes { digest.update($0) } }
    return digest.finish() == hash ? manifest.hash : nil
  }

  /// The manifest of a file, if this node knows it: recorded when the file was linked or stored, received with the
  /// file, or found in the store. A claim, like every manifest.
  package func knownManifest(of file: StoredFile) -> ContentHash? {
    file.linkedManifest ?? (file.size > Limits.manifestThreshold ? index?.manifest(of: file.hash) : nil)
  }

  /// Records that a file arrived with this manifest.
  package func noteManifest(_ manifest: ContentHash?, of hash: ContentHash, size: UInt64) {
    index?.note(hash, size: size, manifest: manifest)
  }
}
