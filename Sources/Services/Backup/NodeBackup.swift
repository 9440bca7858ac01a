import Crypto
import Database
import Files
package import Primitives

/// What of a node is backed up, and from where. The daemon may run meanwhile.
package struct NodeBackup {
  private enum Content {
    case bytes([UInt8])
    case file(String)
  }

  /// The storage directory.
  package let directory: String
  /// Where the node's key pair may be, besides the storage directory; the first one that has it counts.
  package let configurationDirectories: [String]
  /// The files that are pinned.
  package let pins: [ContentHash]
  /// The version of this program.
  package let software: String

  package init(directory: String, configurationDirectories: [String], pins: [ContentHash], software: String) {
    (self.directory, self.configurationDirectories) = (directory, configurationDirectories)
    (self.pins, self.software) = (pins, software)
  }

  /// Writes the backup.
  ///
  /// - Parameters:
  ///   - scratch: an empty folder that only this user may read, for copies of the databases.
  ///   - write: takes the next bytes of the archive.
  /// - Returns: what is in it.
  package func write(
    scratch: String, at time: WallTime, to write: ([UInt8]) throws(KacheryError) -> Void
  ) throws(KacheryError) -> BackupManifest {
    let (keys, folder) = try keyPair()
    var manifest = BackupManifest(node: keys.publicKey, createdAt: time, software: software)
    var contents: [(part: BackupPart, content: Content)] = []
    for part in [BackupPart.privateKey, .publicKey] {
      if let bytes = try read("\(folder)/\(part.name)", part) { contents.append((part, .bytes(bytes))) }
    }
    // The keys of the feeds are among the mutables: copied first, they could lack that of a feed created meanwhile.
    for part in [BackupPart.feeds, .mutables] {
      guard let copy = try snapshot(of: part, in: scratch, &manifest.counts) else { continue }
      contents.append((part, .file(copy)))
    }
    for part in BackupPart.smallFiles + (try channelDocuments()) {
      if let bytes = try read("\(directory)/\(part.name)", part) { contents.append((part, .bytes(bytes))) }
    }
    for part in BackupPart.ofConfiguration {
      if let bytes = try read("\(folder)/\(part.nameInConfiguration)", part) { contents.append((part, .bytes(bytes))) }
    }
    for (part, hashes) in [(BackupPart.pins, pins), (.replicas, try replicas())] where !hashes.isEmpty {
      contents.append((part, .bytes(Array(hashes.sorted().map { "\($0.hex)\n" }.joined().utf8))))
    }
    manifest.counts.pins = UInt64(pins.count)
    for (part, content) in contents { manifest.entries.append(try entry(part, content)) }
    try archive(manifest, contents, write)
    return manifest
  }

  // MARK: What there is

  /// The node's keys, and the folder that holds them.
  private func keyPair() throws(KacheryError) -> (key: SigningKey, folder: String) {
    guard try FileSystem.statusIfPresent(directory)?.kind == .folder else {
      throw KacheryError(
        .notFound, "There is no storage directory \(directory); name the node's with --storage-dir.")
    }
    let marks = ["kachery-node-id", BackupPart.privateKey.name, BackupPart.feeds.name, BackupPart.mutables.name]
    guard marks.contains(where: { FileSystem.exists("\(directory)/\($0)") }) else {
      throw KacheryError(
        .notFound,
        "\(directory) is not the storage directory of a node, which has a file kachery-node-id or feeds.db; "
          + "name the node's with --storage-dir.")
    }
    let named = (try? FileSystem.read("\(directory)/kachery-node-id", limit: 1_024)).flatMap {
      NodeID(hex: String(decoding: $0, as: UTF8.self))
    }
    var others: [String] = []
    for folder in [directory] + configurationDirectories {
      let path = "\(folder)/\(BackupPart.privateKey.name)"
      guard try FileSystem.statusIfPresent(path) != nil else { continue }
      let text = String(decoding: try FileSystem.read(path, limit: 16 << 10), as: UTF8.self)
      let key: SigningKey
      do throws(KacheryError) { key = try SigningKey(pem: text) } catch {
        throw KacheryError(.badKey, "'\(path)' is not a node's private key: \(error.message)", cause: error)
      }
      if named == nil || named == key.publicKey || folder == directory { return (key, folder) }
      others.append(path)
    }
    let places = ([directory] + configurationDirectories).joined(separator: ", ")
    throw KacheryError(
      .notFound,
      others.isEmpty
        ? "The key pair of the node is in none of \(places); name its folder in KACHERY_P2P_CONFIG_DIR."
        : "\(others.joined(separator: " and ")) is the key of another node than that of \(directory); name the folder "
          + "of its key pair in KACHERY_P2P_CONFIG_DIR.")
  }

  private func read(_ path: String, _ part: BackupPart) throws(KacheryError) -> [UInt8]? {
    do throws(KacheryError) { return try FileSystem.read(path, limit: part.maximumSize ?? 0) } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// A copy of a database as it is at one moment; nil if there is none.
  private func snapshot(
    of part: BackupPart, in scratch: String, _ counts: inout BackupManifest.Counts
  ) throws(KacheryError) -> String? {
    let (path, copy) = ("\(directory)/\(part.name)", "\(scratch)/\(part.name)")
    guard try FileSystem.statusIfPresent(path) != nil else { return nil }
    // Otherwise the umask would decide who can read the keys in it.
    try File(copy, .createNew(permissions: 0o600)).close()
    let source = try Connection(path, journal: .asFound)
    defer { source.close() }
    do throws(KacheryError) { try source.copy(to: copy) } catch {
      guard error.code == .diskFull else { throw error }
      throw KacheryError(
        .diskFull, "There is no room in \(scratch) for a copy of \(path); free some space, or write to another disk.")
    }
    // A copy has no write-ahead log, and the daemon goes on with what it finds.
    let made = try Connection(copy, journal: try source.hasWriteAheadLog() ? .writeAhead : .asFound)
    defer { made.close() }
    try StoredCounts.count(part, made, into: &counts)
    return copy
  }

  private func channelDocuments() throws(KacheryError) -> [BackupPart] {
    let folder = "\(directory)/\(BackupPart.channels)"
    guard try FileSystem.statusIfPresent(folder) != nil else { return [] }
    return try FileSystem.names(in: folder).sorted().compactMap { BackupPart.channelDocument($0) }
  }

  private func replicas() throws(KacheryError) -> [ContentHash] {
    let folder = "\(directory)/\(BackupPart.replicaFolder)"
    guard try FileSystem.statusIfPresent(folder) != nil else { return [] }
    return try FileSystem.names(in: folder).compactMap { ContentHash(hex: $0) }
  }

  // MARK: The archive

  private func entry(_ part: BackupPart, _ content: Content) throws(KacheryError) -> BackupManifest.Entry {
    let digest = SHA256Stream()
    var size: UInt64 = 0
    try forEachPiece(of: content) { (piece) throws(KacheryError) in
      digest.update(piece)
      size += UInt64(piece.count)
    }
    return BackupManifest.Entry(name: part.name, size: size, digest: digest.finish())
  }

  private func archive(
    _ manifest: BackupManifest, _ contents: [(part: BackupPart, content: Content)],
    _ write: ([UInt8]) throws(KacheryError) -> Void
  ) throws(KacheryError) {
    let seconds = manifest.createdAt.milliseconds / 1_000
    let document = manifest.json.compactBytes + [UInt8(ascii: "\n")]
    let files =
      [(name: BackupManifest.name, size: UInt64(document.count), content: Content.bytes(document))]
      + zip(manifest.entries, contents).map { (name: $0.name, size: $0.size, content: $1.content) }
    for (name, size, content) in files {
      let header = TarHeader(name: name, size: size, modified: seconds)
      try write(header.block)
      try forEachPiece(of: content, write)
      try write([UInt8](repeating: 0, count: header.padding))
    }
    try write([UInt8](repeating: 0, count: 2 * TarHeader.blockSize))
  }

  private func forEachPiece(
    of content: Content, _ body: ([UInt8]) throws(KacheryError) -> Void
  ) throws(KacheryError) {
    switch content {
    case .bytes(let bytes): try body(bytes)
    case .file(let path):
      let file = try File(path, .read)
      defer { file.close() }
      _ = try FileDigest.read(file, body)
    }
  }
}
