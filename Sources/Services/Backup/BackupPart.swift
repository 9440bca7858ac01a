import Primitives

/// A file of a backup. There are no others than these, so no name in an archive leads out of a folder.
struct BackupPart: Hashable {
  /// Where it belongs.
  enum Home: Hashable {
    /// At its name, below the storage directory.
    case storage
    /// In the directory of the node's configuration.
    case configuration
    /// A list of files. The storage directory has an empty file for each, in a folder.
    case list
  }

  /// Its name in the archive; for a part of the storage directory, also its path below that.
  let name: String
  let home: Home
  /// Most bytes; nil for a database, which has no limit.
  let maximumSize: Int?

  private init(_ name: String, _ home: Home = .storage, _ maximumSize: Int?) {
    (self.name, self.home, self.maximumSize) = (name, home, maximumSize)
  }

  static let privateKey = BackupPart("private.pem", 16 << 10)
  static let publicKey = BackupPart("public.pem", 16 << 10)
  static let feeds = BackupPart("feeds.db", nil)
  static let mutables = BackupPart("mutables.db", nil)
  /// The pinned files.
  static let pins = BackupPart("pins.txt", .list, 256 << 20)
  /// The files that the node keeps for members.
  static let replicas = BackupPart("replicas.txt", .list, 256 << 20)
  static let replicaFolder = "kachery-node/replicas"
  /// The folder of the last good copies of channels' documents.
  static let channels = "kachery-node/channels"
  private static let maximumDocument = 1 << 20

  private init(_ name: String, _ maximumSize: Int?) { self.init(name, .storage, maximumSize) }

  /// The small files of the storage directory, besides the keys.
  static let smallFiles = [
    BackupPart("kachery.yaml", 1 << 20), BackupPart("kachery-node/port", 16), BackupPart("kachery-node/udp-port", 16),
    BackupPart("kachery-node/members.json", 4 << 20),
  ]

  private static let folderOfConfiguration = "config/"
  /// What the daemon shows and asks of programs on other machines.
  static let ofConfiguration = ["api-certificate.pem", "api-key.pem", "api-token", "api-read-token"].map {
    BackupPart(folderOfConfiguration + $0, .configuration, 64 << 10)
  }

  private static let fixed =
    [privateKey, publicKey, feeds, mutables, pins, replicas] + smallFiles + ofConfiguration

  /// The last good copy of a channel's document; nil if the name is not one of such a file.
  static func channelDocument(_ fileName: String) -> BackupPart? {
    guard let digits = fileName.removing(suffix: ".yaml"), digits.utf8.count == 64, Hex.isSpelled(by: digits),
      digits.lowercasedASCII.utf8.elementsEqual(digits.utf8)
    else { return nil }
    return BackupPart("\(channels)/\(fileName)", maximumDocument)
  }

  /// The part with this name in an archive; nil if there is none.
  static func named(_ name: String) -> BackupPart? {
    if let part = fixed.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) { return part }
    return name.removing(prefix: "\(channels)/").flatMap { channelDocument(String($0)) }
  }

  /// Its name in the directory of the configuration.
  var nameInConfiguration: String { String(name.removing(prefix: Self.folderOfConfiguration) ?? name[...]) }
}
