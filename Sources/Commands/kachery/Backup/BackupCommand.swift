import APIModel
import Backup
import ContentStore
import Files
import Primitives
import Process
import Terminal

extension Command {
  static let storageDirectory = Option(
    "--storage-dir", "DIR", "the storage directory, instead of the one of the daemon or of KACHERY_STORAGE_DIR")

  /// `kachery backup`
  static let backup = Command(
    name: "backup", usage: "FILE", summary: "Writes what makes up this node to one file, while the daemon runs.",
    details: """
      The file, a tar archive, holds the node's key, the feeds that are here with their messages and keys, the values of
      'set', the joined channels, kachery.yaml and the list of pinned files. It does not hold the stored files: copy the
      folder sha1 of the storage directory, or load them from other nodes. Whoever has the file can act as this node. '-'
      writes to standard output. 'kachery restore' reads it.
      """,
    options: [storageDirectory, Option("--force", nil, "replace the file if it exists"), json, quiet],
    examples: ["kachery backup lab.backup", "kachery backup - | ssh vault 'umask 077; cat > lab.backup'"],
    run: { (arguments) throws(KacheryError) in
      let path = try arguments.operand("file for the backup")
      let place = try NodePlace(arguments)
      let manifest: BackupManifest
      let (quietly, isStream) = (arguments.has("--quiet"), path == "-")
      if isStream {
        guard !Terminal(descriptor: FileStream.standardOutput.descriptor).isInteractive else {
          throw KacheryError(.badRequest, "A backup is not for a terminal; name a file, or pipe it to a program.")
        }
        manifest = try place.backUp(scratch: "\(Environment["TMPDIR"] ?? "/tmp")/kachery-backup") { _ in
          { (bytes) throws(KacheryError) in bytes.withUnsafeBytes { Console.output($0) } }
        }
      } else {
        manifest = try place.backUp(to: path, isForced: arguments.has("--force"))
      }
      if arguments.has("--json") {
        if !isStream { Console.result(manifest.json.compact) }
      } else if !quietly {
        let size = Quantity.bytes(Double(manifest.entries.reduce(0) { $0 + $1.size }))
        let lines = ["\(isStream ? "Wrote the backup" : "Wrote \(path)"), \(size):"] + BackupText(manifest).lines
        if isStream { for line in lines { Console.note(line) } } else { Console.results(lines) }
      }
      if !quietly {
        Console.note(
          "It contains private keys: whoever has it can act as this node. Keep it where only you can read it. Stored "
            + "files are not in it.")
      }
      return .done
    })
}

/// Where the data of a node of this machine are.
struct NodePlace {
  let directory: String
  /// Where the key pair of the node may be, besides that directory.
  private let configurationDirectories: [String]

  /// The directory that `--storage-dir` names, or else that of the running daemon, or else the user's own.
  init(_ arguments: Arguments) throws(KacheryError) {
    var found = arguments.value("--storage-dir")
    if found == nil, let client = try? DaemonClient.connect() {
      guard !client.isRemote else {
        throw KacheryError(.badRequest, "The daemon is on another machine; run this command there.")
      }
      found = client.storageDirectory
    }
    guard let directory = (found ?? DaemonLog.ownDirectory).map(Self.withoutSlash) else {
      throw KacheryError(.badConfiguration, "There is no home folder: name the storage directory with --storage-dir.")
    }
    self.directory = directory
    // The services keep both directories beside each other, and the variable is not set in a shell.
    configurationDirectories =
      [Self.configurationDirectory, "\(FileSystem.parent(of: directory))/config"].compactMap { $0 }
  }

  /// The directory of this user's key pair; nil if there is no home folder.
  static var configurationDirectory: String? {
    Environment["KACHERY_P2P_CONFIG_DIR"] ?? Environment.home.map { "\($0)/.kachery-p2p" }
  }

  /// The path without slashes at its end, which would name what is in a folder.
  static func withoutSlash(_ path: String) -> String {
    var path = path
    while path.utf8.count > 1, let shorter = path.removing(suffix: "/") { path = String(shorter) }
    return path
  }

  /// Writes a backup to a file that gets its name when it is complete.
  func backUp(to path: String, isForced: Bool) throws(KacheryError) -> BackupManifest {
    func requireFree() throws(KacheryError) {
      guard let status = try FileSystem.statusIfPresent(path) else { return }
      guard status.kind == .regular else {
        throw KacheryError(
          .badRequest, "\(path) is not a file; name one, such as \(Self.withoutSlash(path))/lab.backup.")
      }
      guard isForced else {
        throw KacheryError(.badRequest, "\(path) exists already; name another file, or replace it with --force.")
      }
    }
    try requireFree()
    let folder = FileSystem.parent(of: path)
    guard try FileSystem.statusIfPresent(folder)?.kind == .folder else {
      throw KacheryError(.badRequest, "There is no folder \(folder) for the backup; create it, or name another one.")
    }
    try FileSystem.requireWritable(folder: folder)
    return try backUp(scratch: path) { scratch throws(KacheryError) in
      let file = try File("\(scratch)/archive", .createNew(permissions: 0o600))
      var offset: UInt64 = 0
      return { (bytes) throws(KacheryError) in
        guard !bytes.isEmpty else {
          try file.sync()
          try requireFree()
          try FileSystem.rename("\(scratch)/archive", to: path)
          return try FileSystem.syncFolder(folder)
        }
        try file.write(at: offset, bytes)
        offset += UInt64(bytes.count)
      }
    }
  }

  /// Writes a backup.
  ///
  /// - Parameters:
  ///   - scratch: what the name of a temporary folder begins with.
  ///   - open: returns what takes the bytes, and no bytes at the end.
  func backUp(
    scratch prefix: String,
    _ open: (String) throws(KacheryError) -> ([UInt8]) throws(KacheryError) -> Void
  ) throws(KacheryError) -> BackupManifest {
    let scratch = "\(prefix).\(FileSystem.processID).new"
    Interruption.expect(advice: "No backup was written.") { try? FileSystem.removeTree(scratch) }
    try FileSystem.removeTree(scratch)
    try FileSystem.createFolder(scratch, permissions: 0o700)
    defer { try? FileSystem.removeTree(scratch) }
    let isThere = FileSystem.exists(directory)
    let pins = isThere ? try ContentStore(directory: directory, log: .disabled).pins() : []
    let backup = NodeBackup(
      directory: directory, configurationDirectories: configurationDirectories, pins: Array(pins),
      software: APIVersion.daemon)
    let write = try open(scratch)
    let manifest = try backup.write(scratch: scratch, at: .now) { (bytes) throws(KacheryError) in
      if !bytes.isEmpty { try write(bytes) }
    }
    try write([])
    return manifest
  }
}

/// What is in a backup, as lines for people.
struct BackupText {
  private let manifest: BackupManifest

  init(_ manifest: BackupManifest) { self.manifest = manifest }

  var lines: [String] {
    let counts = manifest.counts
    func amount(_ number: UInt64, _ one: String) -> String { "\(number) \(one)\(number == 1 ? "" : "s")" }
    let others = manifest.entries.map(\.name).filter {
      $0.begins(with: "config/") || $0.begins(with: "kachery-node/") || $0.begins(with: "kachery.yaml")
    }
    let documents = others.filter { $0.begins(with: "kachery-node/channels/") }.count
    let files = others.filter { !$0.begins(with: "kachery-node/channels/") }
    let rows = [
      ("node", manifest.node.hex),
      ("written", "\(Day(seconds: Int(manifest.createdAt.milliseconds / 1_000))) UTC, by kachery \(manifest.software)"),
      (
        "feeds",
        "\(amount(counts.feeds, "feed")), \(amount(counts.subfeeds, "subfeed")), "
          + amount(counts.messages, "message")
      ),
      ("mutables", amount(counts.values, "value")),
      ("channels", "\(counts.channels) joined, \(amount(UInt64(documents), "document"))"),
      ("pins", amount(counts.pins, "file")), ("files", files.isEmpty ? "none" : files.joined(separator: ", ")),
    ]
    return rows.map { name, text in
      "  \(name)\(String(repeating: " ", count: 10 - name.count))\(text)"
    }
  }
}
