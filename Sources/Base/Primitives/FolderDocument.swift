/// A folder as a stored document: the names in it, with the size and hash of each file. `sha1dir://` names its hash.
///
/// A value that exists can be written to a disk as it stands: every name is a name of its own that stays inside the
/// folder, and no two are the same.
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

  /// The largest document read, in bytes: room for half a million files.
  package static let maximumSize: UInt64 = 64 << 20
  /// The longest name in bytes: Linux has no longer ones (NAME_MAX).
  package static let maximumNameLength = 255
  /// How many folders may lie in one another: each is two levels of JSON, and `JSONParser` reads 64.
  package static let maximumDepth = 30

  /// The files right in this folder, by the bytes of their names.
  package let files: [File]
  /// The folders right in this folder, by the bytes of their names.
  package let folders: [Folder]

  /// A folder of these files and folders, in whatever order.
  ///
  /// - Throws: `badFolder` if a name cannot be one, stands twice, or the folders lie too deep in one another.
  package init(files: [File], folders: [Folder]) throws(KacheryError) {
    let names = files.map(\.name) + folders.map(\.name)
    for name in names { try Self.check(name) }
    var seen: Set<ByteString> = []
    for name in names where !seen.insert(name).inserted {
      throw KacheryError(.badFolder, "The folder holds the name '\(name)' twice.")
    }
    self.files = files.sorted { $0.name < $1.name }
    self.folders = folders.sorted { $0.name < $1.name }
    guard depth <= Self.maximumDepth else {
      throw KacheryError(.badFolder, "The folder holds folders more than \(Self.maximumDepth) deep in one another.")
    }
  }

  /// How many folders lie in one another below this one.
  private var depth: Int { folders.reduce(0) { max($0, $1.content.depth + 1) } }

  private static func check(_ name: ByteString) throws(KacheryError) {
    guard !name.isEmpty, name != ".", name != ".." else {
      throw KacheryError(.badFolder, "The folder holds the name '\(name)', which is none of its own.")
    }
    guard !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) else {
      throw KacheryError(.badFolder, "The folder holds a name with a '/' or a zero byte in it: '\(name)'.")
    }
    guard name.utf8.count <= maximumNameLength else {
      throw KacheryError(.badFolder, "The folder holds a name of more than \(maximumNameLength) bytes: '\(name)'.")
    }
  }
}
