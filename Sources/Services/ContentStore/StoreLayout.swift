import Files
import Primitives

/// The paths in a storage directory.
struct StoreLayout: Sendable {
  /// Readable by everyone: a storage directory may be shared, and its files are named by their hashes anyway. Writable
  /// by no one: clients get the paths of stored files.
  static let filePermissions: UInt32 = 0o444
  /// For links, which earlier software may overwrite.
  static let notePermissions: UInt32 = 0o644
  /// For this software's own files.
  static let ownFilePermissions: UInt32 = 0o600
  /// For the storage directory itself, if it is created here.
  static let folderPermissions: UInt32 = 0o755

  /// Permissions of a folder in `own`, from those of the storage directory: for those who may write to that directory.
  static func ownFolderPermissions(in shared: UInt32) -> UInt32 {
    0o700 | (shared & 0o020 != 0 ? 0o070 : 0) | (shared & 0o002 != 0 ? 0o007 : 0)
  }

  /// Appended to the name of a partial file: the list of its verified chunks.
  static let journalSuffix = ".verified"

  /// The path of the storage directory.
  let root: String

  /// All stored files.
  var files: String { "\(root)/sha1" }

  /// The folder of a stored file: three levels named by the first six digits of its hash.
  func folder(of hash: ContentHash) -> String { FileSystem.parent(of: file(hash)) }

  /// The path of a stored file.
  func file(_ hash: ContentHash) -> String { "\(files)/\(Self.nameInFiles(of: hash))" }

  /// The path of a stored file below `files`.
  static func nameInFiles(of hash: ContentHash) -> String {
    let digits = hash.hex
    var name = ""
    name.reserveCapacity(digits.utf8.count + 9)
    for level in 0..<3 {
      name += Substring(digits.utf8.dropFirst(2 * level).prefix(2))
      name += "/"
    }
    return name + digits
  }

  /// The path of the link to a file outside the directory.
  func link(_ hash: ContentHash) -> String { "\(file(hash)).link" }

  /// The folder of the other paths of a linked file.
  func places(_ hash: ContentHash) -> String { "\(own)/links/\(hash)" }

  /// The folder for everything that is specific to this software and unknown to other software on the directory.
  var own: String { "\(root)/kachery-node" }

  /// The index of a node that uses the directory.
  func index(of node: NodeID) -> String { "\(own)/index-\(node.hex.prefix(16)).db" }

  /// The folders in `own` that other users need not look into.
  var privateFolders: [String] { [temporary, partial, trash, damaged, "\(own)/links"] }

  /// Files being stored.
  var temporary: String { "\(own)/temporary" }

  /// Files being received.
  var partial: String { "\(own)/partial" }

  /// Removed files that can still be restored by hand.
  var trash: String { "\(own)/trash" }

  /// Files whose bytes no longer have their hash.
  var damaged: String { "\(own)/damaged" }

  /// The path to which a file is moved if it does not have its hash.
  func damaged(_ hash: ContentHash) -> String { "\(damaged)/\(hash)" }

  /// The path to which a link is moved if its target does not have the hash.
  func damagedLink(_ hash: ContentHash) -> String { "\(damaged(hash)).link" }

  /// The folder of pins: an empty file for each pinned file, named by its hash.
  var pins: String { "\(own)/pins" }

  /// The pin of a file.
  func pin(_ hash: ContentHash) -> String { "\(pins)/\(hash)" }

  /// The path of a file being received.
  func partial(_ hash: ContentHash) -> String { "\(partial)/\(hash)" }

  /// The list of the verified chunks in `partial`.
  func journal(_ hash: ContentHash) -> String { partial(hash) + Self.journalSuffix }
}
