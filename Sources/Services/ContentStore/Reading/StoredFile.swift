package import Primitives

/// A complete file in the store.
package struct StoredFile: Hashable, Sendable {
  package let hash: ContentHash
  /// In bytes.
  package let size: UInt64
  /// The path of the bytes: in the storage directory, or the link's target.
  package let path: String
  let link: LinkDocument?

  /// Whether the bytes are outside the storage directory, in a file of the user.
  package var isLink: Bool { link != nil }

  /// The manifest made when the file was linked; nil for other and for small files.
  package var linkedManifest: ContentHash? { link?.manifest }
}

/// The result of storing a file: the parts of its URI.
package struct StoreReceipt: Hashable, Sendable {
  package let hash: ContentHash
  /// The hash of the manifest; nil for files of at most 20,000,000 bytes.
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
  /// The path of the file with this hash, once it is stored.
  package func path(of hash: ContentHash) -> String { layout.file(hash) }
}
