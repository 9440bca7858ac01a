package import Primitives

/// A file that is here, complete.
package struct StoredFile: Hashable, Sendable {
  package let hash: ContentHash
  /// In bytes.
  package let size: UInt64
  /// Where the bytes lie: in the storage directory, or where the link says.
  package let path: String
  let link: LinkDocument?

  /// Whether the bytes lie outside the storage directory, in a file of the user's.
  package var isLink: Bool { link != nil }

  /// The manifest that was made when the file was linked; nil for others, and for small files.
  package var linkedManifest: ContentHash? { link?.manifest }
}

/// What storing a file yields: the parts of its URI.
package struct StoreReceipt: Hashable, Sendable {
  package let hash: ContentHash
  /// The hash of the manifest; nil for files of up to 20,000,000 bytes.
  package let manifest: ContentHash?
  /// In bytes.
  package let size: UInt64

  package init(hash: ContentHash, manifest: ContentHash?, size: UInt64) {
    self.hash = hash
    self.manifest = manifest
    self.size = size
  }
}

extension ContentStore {
  /// Where the file with this hash lies, once it is stored.
  package func path(of hash: ContentHash) -> String { layout.file(hash) }
}
