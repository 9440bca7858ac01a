/// A folder as a stored document: the names in it, with the size and hash of each file. A `sha1dir://` URI contains its
/// hash.
///
/// A value can always be written to a disk: every name is valid and stays inside the folder, and no two are the same.
package struct FolderDocument: Hashable, Sendable {
  /// A file in a folder.
  package struct File: Hashable, Sendable {
    package let name: ByteString
    /// The file's size in bytes.
    package let size: UInt64
    package let hash: ContentHash

    package init(name: ByteString, size: UInt64, hash: ContentHash) {
      self.name = name
      self.size = size
      self.hash = hash
    }
  }

  /// A folder in a folder.
  package struct Folder: Hashable, Sendable {
    package let name: ByteString
    package let content: FolderDocument

    package init(name: ByteString, content: FolderDocument) {
      self.name = name
      self.content = content
    }
  }

  /// Bytes in the largest accepted document: enough for half a million files.
  package static let maximumSize: UInt64 = 64 << 20
  /// Bytes in the longest name: the limit of Linux (NAME_MAX).
  package static let maximumNameLength = 255
  /// How deeply folders may be nested: each takes two levels of JSON, and `JSONParser` accepts 64.
  package static let maximumDepth = 30

  /// The files directly in this folder, sorted by the bytes of their names.
  package let files: [File]
  /// The folders directly in this folder, sorted by the bytes of their names.
  package let folders: [Folder]

  /// A folder of these files and folders, in any order.
  ///
  /// - Throws: `badFolder` if a name is invalid or repeated, or the folders are nested too deeply.
  package init(files: [File], folders: [Folder]) throws(KacheryError) {
    let names = files.map(\.name) + folders.map(\.name)
    for name in names { try Self.check(name) }
    var seen: Set<ByteString> = []
    for name in names where !seen.insert(name).inserted {
      throw KacheryError(.badFolder, "The folder contains the name '\(name)' twice.")
    }
    self.files = files.sorted { $0.name < $1.name }
    self.folders = folders.sorted { $0.name < $1.name }
    guard depth <= Self.maximumDepth else {
      throw KacheryError(.badFolder, "The folder contains more than \(Self.maximumDepth) levels of folders.")
    }
  }

  /// The nesting depth of the folders below this one.
  private var depth: Int { folders.reduce(0) { max($0, $1.content.depth + 1) } }

  private static func check(_ name: ByteString) throws(KacheryError) {
    guard !name.isEmpty, name != ".", name != ".." else {
      throw KacheryError(.badFolder, "The folder contains the invalid name '\(name)'.")
    }
    guard !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) else {
      throw KacheryError(.badFolder, "' or a zero byte in it/' or a zero byte in it: '\(name)'.")
    }
    guard name.utf8.count <= maximumNameLength else {
      throw KacheryError(.badFolder, "The folder contains a name of more than \(maximumNameLength) bytes: '\(name)'.")
    }
  }
}
