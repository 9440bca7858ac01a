import Crypto
import Files
package import Primitives

/// A backup that has been read and found whole: every file is there, with its size and its digest, and nothing else is.
package struct BackupArchive {
  /// The bytes of an archive, wherever they are.
  struct Source {
    let size: UInt64
    /// Reads `count` bytes from an offset; fewer at the end.
    let read: (_ offset: UInt64, _ count: Int) throws(KacheryError) -> [UInt8]
  }

  private struct Place {
    let part: BackupPart
    let entry: BackupManifest.Entry
    let offset: UInt64
  }

  private static let pieceSize = 1 << 20

  package let manifest: BackupManifest
  /// The public half of the key in it is the node that the manifest names.
  package let node: NodeID
  private let source: Source
  private var places: [Place] = []

  /// Opens a file and reads all of it.
  ///
  /// - Throws: `storageFailed` if it is not a whole backup.
  package init(_ path: String) throws(KacheryError) {
    let file = try File(path, .read)
    let status = try file.status()
    guard status.kind == .regular else {
      throw KacheryError(.badRequest, "\(path) is not a regular file; name the file of a backup.")
    }
    try self.init(
      Source(
        size: status.size, read: { (offset, count) throws(KacheryError) in try file.bytes(at: offset, count: count) }))
  }

  init(_ source: Source) throws(KacheryError) {
    self.source = source
    let block = UInt64(TarHeader.blockSize)
    guard let first = try Self.header(in: source, at: 0), first.name.utf8.elementsEqual(BackupManifest.name.utf8) else {
      throw KacheryError(
        .storageFailed, "This is not a backup of a node: it does not begin as those that 'kachery backup' writes do.")
    }
    guard first.size <= UInt64(BackupManifest.maximumSize), first.size <= source.size - block else {
      throw BackupManifest.damaged("its manifest is too large")
    }
    manifest = try BackupManifest(parsing: try source.read(block, Int(first.size)))
    node = manifest.node
    var offset = block + first.size
    try Self.checkPadding(of: first, in: source, at: &offset)
    for entry in manifest.entries {
      guard let part = BackupPart.named(entry.name) else { throw BackupManifest.damaged("it has an unknown file") }
      guard let header = try Self.header(in: source, at: offset), header.size == entry.size,
        header.name.utf8.elementsEqual(entry.name.utf8), entry.size <= source.size - offset - block
      else { throw BackupManifest.damaged("its file \(entry.name) is missing or has another size") }
      places.append(Place(part: part, entry: entry, offset: offset + block))
      offset += block + entry.size
      try Self.checkPadding(of: header, in: source, at: &offset)
    }
    guard source.size - offset == 2 * block, try source.read(offset, 2 * TarHeader.blockSize).allSatisfy({ $0 == 0 })
    else { throw BackupManifest.damaged("something follows its last file, or its end is missing") }
    for place in places { try forEachPiece(of: place) { (_) throws(KacheryError) in } }
    try checkKeys()
    for part in [BackupPart.pins, .replicas] { _ = try list(part) }
  }

  private static func header(in source: Source, at offset: UInt64) throws(KacheryError) -> TarHeader? {
    TarHeader(try source.read(offset, TarHeader.blockSize))
  }

  private static func checkPadding(
    of header: TarHeader, in source: Source, at offset: inout UInt64
  ) throws(KacheryError) {
    let padding = try source.read(offset, header.padding)
    guard padding.count == header.padding, padding.allSatisfy({ $0 == 0 }) else {
      throw BackupManifest.damaged("its file \(header.name) does not end where it should")
    }
    offset += UInt64(padding.count)
  }

  private func checkKeys() throws(KacheryError) {
    let text = String(decoding: try bytes(of: .privateKey) ?? [], as: UTF8.self)
    guard let key = try? SigningKey(pem: text), key.publicKey == node else {
      throw BackupManifest.damaged("its key is not that of the node that it names")
    }
    guard let known = try bytes(of: .publicKey) else { return }
    guard (try? NodeID(pem: String(decoding: known, as: UTF8.self))) == node else {
      throw BackupManifest.damaged("its public key does not belong to its private key")
    }
  }

  // MARK: Its files

  /// The parts in it, in order.
  var parts: [BackupPart] { places.map(\.part) }

  func entry(of part: BackupPart) -> BackupManifest.Entry? { places.first { $0.part == part }?.entry }

  /// A small file; nil if the backup has none.
  func bytes(of part: BackupPart) throws(KacheryError) -> [UInt8]? {
    guard let place = places.first(where: { $0.part == part }) else { return nil }
    precondition(part.maximumSize != nil, "databases are not read as a whole")
    var bytes: [UInt8] = []
    try forEachPiece(of: place) { (piece) throws(KacheryError) in bytes += piece }
    return bytes
  }

  /// Writes a file of the backup to a new file, as private as it was.
  func copy(_ part: BackupPart, to path: String) throws(KacheryError) {
    guard let place = places.first(where: { $0.part == part }) else { return }
    let file = try File(path, .createNew(permissions: 0o600))
    defer { file.close() }
    var offset: UInt64 = 0
    try forEachPiece(of: place) { (piece) throws(KacheryError) in
      try file.write(at: offset, piece)
      offset += UInt64(piece.count)
    }
    try file.sync()
  }

  /// The files of a list; empty if the backup has none.
  func list(_ part: BackupPart) throws(KacheryError) -> [ContentHash] {
    var hashes: [ContentHash] = []
    let text = try bytes(of: part) ?? []
    for line in text.split(separator: UInt8(ascii: "\n")) {
      guard let hash = ContentHash(hex: String(decoding: line, as: UTF8.self)) else {
        throw BackupManifest.damaged("its file \(part.name) has a line that is not a SHA-1")
      }
      hashes.append(hash)
    }
    return hashes
  }

  /// Bytes of all files together.
  var totalSize: UInt64 { source.size }

  /// Passes on the bytes of a file, and checks its digest at the end.
  private func forEachPiece(
    of place: Place, _ body: ([UInt8]) throws(KacheryError) -> Void
  ) throws(KacheryError) {
    let digest = SHA256Stream()
    var done: UInt64 = 0
    while done < place.entry.size {
      let count = Int(min(UInt64(Self.pieceSize), place.entry.size - done))
      let piece = try source.read(place.offset + done, count)
      guard piece.count == count else { throw BackupManifest.damaged("it ends within \(place.entry.name)") }
      digest.update(piece)
      try body(piece)
      done += UInt64(count)
    }
    guard digest.finish() == place.entry.digest else {
      throw BackupManifest.damaged("the bytes of its file \(place.entry.name) have changed")
    }
  }
}
