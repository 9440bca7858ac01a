import Files
import Primitives

/// Where things lie in a storage directory.
struct StoreLayout: Sendable {
  /// Readable by everyone: a storage directory may be shared, and what it holds is named by its hash anyway. Writable by
  /// nobody: clients get the paths of stored files.
  static let filePermissions: UInt32 = 0o444
  /// Of links, which earlier software may write again, and of pins.
  static let notePermissions: UInt32 = 0o644
  /// Of the storage directory itself, where it is made here.
  static let folderPermissions: UInt32 = 0o755

  /// Behind the name of a partial file, the name of the list of its verified chunks.
  static let journalSuffix = ".verified"

  /// The storage directory.
  let root: String

  /// All stored files.
  var files: String { "\(root)/sha1" }

  /// The folder of a stored file, named by the first six digits of its hash.
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

  /// The path of the document that says where else the file lies.
  func link(_ hash: ContentHash) -> String { "\(file(hash)).link" }

  /// The folder of the further places of a linked file.
  func places(_ hash: ContentHash) -> String { "\(own)/links/\(hash)" }

  /// Everything that is this software's own and that other software on the directory knows nothing of.
  var own: String { "\(root)/kachery-node" }

  /// Files that are being stored.
  var temporary: String { "\(own)/temporary" }

  /// Files that are being received.
  var partial: String { "\(own)/partial" }

  /// Files that were removed and may still be taken back.
  var trash: String { "\(own)/trash" }

  /// Files whose bytes no longer have their hash.
  var damaged: String { "\(own)/damaged" }

  /// Where a file is set aside that does not have its hash.
  func damaged(_ hash: ContentHash) -> String { "\(damaged)/\(hash)" }

  /// Where a link is set aside whose target does not have the hash.
  func damagedLink(_ hash: ContentHash) -> String { "\(damaged(hash)).link" }

  /// An empty file for each file that must stay, named by its hash.
  var pins: String { "\(own)/pins" }

  /// The mark that a file must stay.
  func pin(_ hash: ContentHash) -> String { "\(pins)/\(hash)" }

  /// The file that is being received.
  func partial(_ hash: ContentHash) -> String { "\(partial)/\(hash)" }

  /// The list of the chunks that `partial` holds.
  func journal(_ hash: ContentHash) -> String { partial(hash) + Self.journalSuffix }
}
