import Crypto
import Files
package import Primitives

extension ContentStore {
  /// How many files are taken over in one step, so that others can use the index in between.
  private static let batch = 500

  /// Makes the index know every file that is here, where it does not already. Takes about ten seconds for a million
  /// files, so: in the background.
  ///
  /// A manifest is recognised by its form; two of them that contradict each other both count for nothing.
  ///
  /// - Parameter isWanted: asked now and then whether to go on.
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

  /// When a file was last used as far as the file system knows, in seconds since 1970.
  static func lastUse(_ status: FileStatus) -> Int64 {
    max(status.accessedNanoseconds, status.modifiedNanoseconds) / 1_000_000_000
  }

  /// The file that a stored file describes, where it is a manifest as this software writes them.
  private func subjectOfManifest(_ hash: ContentHash, size: UInt64) -> ContentHash? {
    let beginning = Array(#"{"size":"#.utf8)
    guard size <= Limits.maximumManifestSize, size > UInt64(beginning.count),
      let file = try? File(layout.file(hash), .readUnnoticed),
      (try? file.bytes(at: 0, count: beginning.count)) == beginning,
      let manifest = try? Manifest(readingBy: ManifestReading.blocks(of: file, size: size)),
      manifest.size > Limits.manifestThreshold
    else { return nil }
    // What has this hash when it is written again was whole, and was written in this form.
    var digest = SHA1Digest()
    manifest.write { piece in piece.withUnsafeBytes { digest.update($0) } }
    return digest.finish() == hash ? manifest.hash : nil
  }

  /// The manifest that names a file, as far as this node knows: of a linked file, of one that was stored here or came with
  /// one, or of one whose manifest lies here. A claim, like every manifest.
  package func knownManifest(of file: StoredFile) -> ContentHash? {
    file.linkedManifest ?? (file.size > Limits.manifestThreshold ? index?.manifest(of: file.hash) : nil)
  }

  /// A file came with this manifest.
  package func noteManifest(_ manifest: ContentHash?, of hash: ContentHash, size: UInt64) {
    index?.note(hash, size: size, manifest: manifest)
  }
}
