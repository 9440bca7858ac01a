import Crypto
import Files
import Primitives
import TestSupport
import Testing

@testable import Backup

/// Archives that were made to do harm, or were damaged.
@Suite struct HostileArchiveTests {
  private static let time: UInt64 = 1_700_000_000

  private struct Content {
    var name: String
    var bytes: [UInt8]
    /// What the header says, if not the truth.
    var header: TarHeader?
    var change: (inout [UInt8]) -> Void = { _ in }
  }

  private static func archive(_ bytes: [UInt8]) throws(KacheryError) -> BackupArchive {
    try BackupArchive(
      BackupArchive.Source(
        size: UInt64(bytes.count),
        read: { offset, count in
          let start = Int(min(offset, UInt64(bytes.count)))
          return Array(bytes[start..<min(bytes.count, start + count)])
        }))
  }

  private static func tar(_ contents: [Content]) -> [UInt8] {
    contents.flatMap { content in
      let header = content.header ?? TarHeader(name: content.name, size: UInt64(content.bytes.count), modified: time)
      var block = header.block
      content.change(&block)
      let padding = TarHeader(name: "x", size: UInt64(content.bytes.count), modified: 0).padding
      return block + content.bytes + [UInt8](repeating: 0, count: padding)
    } + [UInt8](repeating: 0, count: 1_024)
  }

  /// An archive of a key and another file, as its manifest says.
  private static func made(
    _ name: String = "kachery.yaml", _ bytes: [UInt8] = Array("label: x\n".utf8), version: Int64 = 1,
    change: (inout [Content]) -> Void = { _ in }
  ) throws -> [UInt8] {
    let key = try SigningKey(seed: [UInt8](repeating: 7, count: 32))
    let files = [Content(name: "private.pem", bytes: Array(try key.pem().utf8)), Content(name: name, bytes: bytes)]
    var manifest = BackupManifest(
      node: key.publicKey, createdAt: WallTime(milliseconds: time * 1_000), software: "1.2.3")
    manifest.entries = files.map {
      BackupManifest.Entry(name: $0.name, size: UInt64($0.bytes.count), digest: SHA256Digest.of($0.bytes))
    }
    var document = manifest.json.object ?? [:]
    document["version"] = .integer(version)
    var contents = [Content(name: "manifest.json", bytes: JSONValue.object(document).compactBytes)] + files
    change(&contents)
    return tar(contents)
  }

  @Test func aWholeOneIsRead() throws {
    let archive = try Self.archive(Self.made())
    #expect(archive.parts.map(\.name) == ["private.pem", "kachery.yaml"])
    #expect(try archive.bytes(of: BackupPart.smallFiles[0]) == Array("label: x\n".utf8))
  }

  @Test(arguments: [
    "../private.pem", "/etc/passwd", "sha1/../../x", "kachery-node/channels/../../x.yaml", "kachery-node/api.socket",
    "kachery-node/channels/\(String(repeating: "A", count: 64)).yaml", "./kachery.yaml", "kachery.yaml/",
    "manifest.json",
    "private.pem", "", "a\u{0}b",
  ])
  func namesThatBelongInNoBackupAreRefused(_ name: String) throws {
    let hostile = try Self.made(name.utf8.contains(0) ? "kachery.yaml" : name) { contents in
      guard name.utf8.contains(0) else { return }
      contents[2].change = { $0[3] = 0 }
    }
    #expect(throws: KacheryError.self) { try Self.archive(hostile) }
  }

  @Test func onlyPlainFilesOfTheStatedSizeAreRead() throws {
    // A hard link, a symbolic link, a device, a folder, a pipe, an extended header.
    for kind in "1234567gxL".utf8 {
      let hostile = try Self.made { $0[2].change = { $0[156] = kind } }
      #expect(throws: KacheryError.self) { try Self.archive(hostile) }
    }
    for size in [0, 8, 10, 1 << 33, 1 << 62, UInt64.max] {
      let hostile = try Self.made {
        $0[2].header = TarHeader(name: "kachery.yaml", size: size, modified: Self.time)
      }
      #expect(throws: KacheryError.self) { try Self.archive(hostile) }
      let first = try Self.made {
        $0[0].header = TarHeader(name: "manifest.json", size: size, modified: Self.time)
      }
      #expect(throws: KacheryError.self) { try Self.archive(first) }
    }
  }

  /// The manifest may state any size; every sum of it with a place in the file would overflow or lead outside.
  @Test func sizesInTheManifestAreCompared() throws {
    let key = try SigningKey(seed: [UInt8](repeating: 7, count: 32))
    for size in [UInt64(Int64.max), 1 << 40, 512, 1_024] {
      var manifest = BackupManifest(node: key.publicKey, createdAt: WallTime(milliseconds: 0), software: "")
      manifest.entries = [
        BackupManifest.Entry(name: "private.pem", size: 1, digest: SHA256Digest.of([1])),
        BackupManifest.Entry(name: "feeds.db", size: size, digest: SHA256Digest.of([])),
      ]
      let bytes = Self.tar([
        Content(name: "manifest.json", bytes: manifest.json.compactBytes), Content(name: "private.pem", bytes: [1]),
        Content(name: "feeds.db", bytes: [], header: TarHeader(name: "feeds.db", size: size, modified: Self.time)),
      ])
      for end in [bytes.count, bytes.count - 1_024, bytes.count - 1_000, bytes.count + 512] {
        let cut = Array((bytes + [UInt8](repeating: 0, count: 1_024)).prefix(end))
        #expect(throws: KacheryError.self) { try Self.archive(cut) }
      }
    }
  }

  @Test func whatIsNotWholeIsRefused() throws {
    let whole = try Self.made()
    for count in stride(from: 0, to: whole.count, by: 100) {
      #expect(throws: KacheryError.self) { try Self.archive(Array(whole.prefix(count))) }
    }
    #expect(throws: KacheryError.self) { try Self.archive(whole + [0]) }
    #expect(throws: KacheryError.self) { try Self.archive(whole + whole) }
    #expect(throws: KacheryError.self) { try Self.archive(Self.made { $0.swapAt(1, 2) }) }
    #expect(throws: KacheryError.self) { try Self.archive(Self.made { $0[2].bytes[0] ^= 1 }) }
    #expect { try Self.archive(Self.made(version: 2)) } throws: { "\($0)".contains("later version") }
    #expect(throws: KacheryError.self) { try Self.archive(Self.made("public.pem")) }
    #expect(throws: KacheryError.self) { try Self.archive(Self.made("pins.txt", Array("x\n".utf8))) }
    let large = [UInt8](repeating: 0x20, count: (1 << 20) + 1)
    #expect(throws: KacheryError.self) { try Self.archive(Self.made("kachery.yaml", large)) }
  }

  /// Damaged backups are refused, or have the same files: the time of a file is all that may differ.
  @Test func damagedArchivesAreRefusedOrWhole() throws {
    let whole = try Self.made()
    for seed in 0..<400 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      guard let archive = try? Self.archive(random.mutated(whole)) else { continue }
      #expect(try archive.bytes(of: .privateKey) == Self.archive(whole).bytes(of: .privateKey), "seed \(seed)")
    }
  }

  @Test func aHeaderHasOneForm() {
    for size in [0, 1, 511, 512, 0o777_7777_7777, 0o777_7777_7777 + 1, 1 << 40, .max] as [UInt64] {
      let header = TarHeader(name: "kachery-node/port", size: size, modified: Self.time)
      #expect(TarHeader(header.block) == header)
      for index in 0..<TarHeader.blockSize {
        var block = header.block
        block[index] ^= 1
        #expect(TarHeader(block) == nil, "byte \(index)")
      }
    }
    #expect(TarHeader([]) == nil && TarHeader([UInt8](repeating: 0, count: 512)) == nil)
  }
}
