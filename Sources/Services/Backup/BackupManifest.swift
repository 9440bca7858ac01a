package import Primitives

/// What is in a backup: its first file, `manifest.json`.
package struct BackupManifest: Hashable, Sendable {
  /// A file of the backup.
  package struct Entry: Hashable, Sendable {
    package let name: String
    /// In bytes.
    package let size: UInt64
    /// The 32 bytes of its SHA-256.
    package let digest: [UInt8]
  }

  /// How much is in it.
  package struct Counts: Hashable, Sendable {
    package var feeds: UInt64 = 0
    package var subfeeds: UInt64 = 0
    package var messages: UInt64 = 0
    package var values: UInt64 = 0
    package var channels: UInt64 = 0
    package var pins: UInt64 = 0

    fileprivate var json: JSONValue {
      let all: [(ByteString, UInt64)] = [
        ("feeds", feeds), ("subfeeds", subfeeds), ("messages", messages), ("mutables", values), ("channels", channels),
        ("pins", pins),
      ]
      return .object(
        JSONObject(distinct: all.map { JSONObject.Member(name: $0, value: .integer(Int64(clamping: $1))) }))
    }

    fileprivate init?(json: JSONValue?) {
      guard let feeds = json?["feeds"]?.unsigned, let subfeeds = json?["subfeeds"]?.unsigned,
        let messages = json?["messages"]?.unsigned, let values = json?["mutables"]?.unsigned,
        let channels = json?["channels"]?.unsigned, let pins = json?["pins"]?.unsigned
      else { return nil }
      (self.feeds, self.subfeeds, self.messages) = (feeds, subfeeds, messages)
      (self.values, self.channels, self.pins) = (values, channels, pins)
    }

    init() {}
  }

  static let name = "manifest.json"
  static let maximumSize = 4 << 20
  private static let maximumValues = 100_000
  private static let format: JSONValue = "kachery-backup"
  /// The only version so far.
  private static let version: Int64 = 1

  package let node: NodeID
  package let createdAt: WallTime
  /// The version of the program that wrote it.
  package let software: String
  package var counts = Counts()
  package var entries: [Entry] = []

  /// The manifest as a document.
  package var json: JSONValue {
    [
      "format": Self.format, "version": .integer(Self.version), "software": .string(software),
      "createdAtMilliseconds": .integer(Int64(clamping: createdAt.milliseconds)), "nodeId": .string(node.hex),
      "contents": counts.json,
      "files": .array(
        entries.map {
          [
            "name": .string($0.name), "size": .integer(Int64(clamping: $0.size)),
            "sha256": .string(Hex.encode($0.digest)),
          ]
        }),
    ]
  }

  init(node: NodeID, createdAt: WallTime, software: String) {
    (self.node, self.createdAt, self.software) = (node, createdAt, software)
  }

  /// Reads a manifest.
  ///
  /// - Throws: `storageFailed`, with the reason as a sentence.
  init(parsing bytes: [UInt8]) throws(KacheryError) {
    let document: JSONValue
    do throws(JSONError) { document = try JSONParser.parse(bytes, maximumValues: Self.maximumValues) } catch {
      throw Self.damaged("its manifest is not a document (\(error))")
    }
    guard document["format"] == Self.format else { throw Self.damaged("its manifest is not that of a backup") }
    guard let version = document["version"]?.integer, version >= 1 else { throw Self.damaged("it has no version") }
    let software = (document["software"]?.string ?? "").prefix(bytes: 100)
    guard version <= Self.version else {
      throw KacheryError(
        .storageFailed,
        "This backup was written by a later version of kachery, \(software); install that one, or a later one.")
    }
    guard let node = document["nodeId"]?.string.flatMap({ NodeID(hex: $0) }),
      let time = document["createdAtMilliseconds"]?.unsigned, let files = document["files"]?.array
    else { throw Self.damaged("its manifest lacks the node, the time or the files") }
    self.init(node: node, createdAt: WallTime(milliseconds: time), software: String(software))
    guard let counts = Counts(json: document["contents"]) else {
      throw Self.damaged("its manifest does not say how much is in it")
    }
    self.counts = counts
    for file in files { entries.append(try Self.entry(file)) }
    try checkNames()
  }

  private static func entry(_ file: JSONValue) throws(KacheryError) -> Entry {
    guard let name = file["name"]?.string, let size = file["size"]?.unsigned,
      let digest = file["sha256"]?.string.flatMap({ Hex.decode($0) }), digest.count == 32
    else { throw damaged("the list of its files is not complete") }
    guard let part = BackupPart.named(name) else {
      throw damaged("it has a file that belongs in no backup, '\(name.printable.prefix(bytes: 80))'")
    }
    guard size <= UInt64(part.maximumSize ?? .max) else { throw damaged("its file \(name) is too large") }
    return Entry(name: name, size: size, digest: digest)
  }

  private func checkNames() throws(KacheryError) {
    let names = entries.map { ByteString($0.name) }
    guard Set(names).count == names.count else { throw Self.damaged("it has two files of one name") }
    guard names.contains(ByteString(BackupPart.privateKey.name)) else { throw Self.damaged("it has no key of a node") }
  }

  static func damaged(_ reason: String) -> KacheryError {
    KacheryError(.storageFailed, "This is not a whole backup: \(reason). Use another copy of it.")
  }
}
