import Backup
import ContentStore
import Files
import Primitives
import Process

extension Command {
  /// `kachery restore`
  static let restore = Command(
    name: "restore", usage: "FILE", summary: "Makes the node of a backup again, in a new storage directory.",
    details: """
      Checks the whole file first, and restores all of it or nothing. The directory must be new or empty. With
      --into-existing, it may hold stored files, which stay; feeds, values and the key of another node are never replaced.
      Refuses while a daemon uses the directory. Stop the old node for good before you start the restored one: they would
      have one identity.
      """,
    options: [
      Option(
        "--storage-dir", "DIR", "the directory to restore to, instead of KACHERY_STORAGE_DIR or ~/kachery-storage"),
      Option("--into-existing", nil, "restore to a directory that holds something already"),
      Option("--list", nil, "check the backup, and show what is in it"),
      Option("--dry-run", nil, "also check the directory, and show what would be done"), json, quiet,
    ],
    examples: ["kachery restore lab.backup --list", "kachery restore lab.backup --storage-dir /data/kachery-storage"],
    run: { (arguments) throws(KacheryError) in
      let path = try arguments.operand("file of the backup")
      guard path != "-" else {
        throw KacheryError(
          .badRequest, "A backup is checked before it is read a second time; write it to a file first.")
      }
      let archive: BackupArchive
      do throws(KacheryError) { archive = try BackupArchive(path) } catch {
        guard error.code == .storageFailed, error.cause == nil else { throw error }
        throw KacheryError(error.code, "\(path): \(error.message)", cause: error)
      }
      guard !arguments.has("--list") else {
        show(archive.manifest, "\(path) is whole:", arguments)
        return .done
      }
      try RestoreReport(path, archive, arguments).run()
      return .done
    })

  static func show(_ manifest: BackupManifest, _ title: String, _ arguments: Arguments) {
    if arguments.has("--json") { return Console.result(manifest.json.compact) }
    if !arguments.has("--quiet") { Console.results([title] + BackupText(manifest).lines) }
  }
}

/// Restores a backup, and says what was done.
private struct RestoreReport {
  private let path: String
  private let archive: BackupArchive
  private let arguments: Arguments
  private let directory: String
  private let configurationDirectory: String

  init(_ path: String, _ archive: BackupArchive, _ arguments: Arguments) throws(KacheryError) {
    guard let directory = arguments.value("--storage-dir") ?? DaemonLog.ownDirectory,
      let configurationDirectory = NodePlace.configurationDirectory
    else {
      throw KacheryError(.badConfiguration, "There is no home folder: set HOME, or name --storage-dir.")
    }
    guard !directory.isEmpty else { throw KacheryError(.badRequest, "--storage-dir: the name of the folder is empty.") }
    (self.path, self.archive, self.arguments) = (path, archive, arguments)
    self.directory = NodePlace.withoutSlash(directory)
    self.configurationDirectory = configurationDirectory
  }

  func run() throws(KacheryError) {
    let restoration = try Restoration(
      of: archive, into: directory, configurationDirectory: configurationDirectory,
      isIntoExisting: arguments.has("--into-existing"),
      pinsFolder: { (directory) throws(KacheryError) in
        try ContentStore(directory: directory, log: .disabled).pinsFolder
      })
    guard !arguments.has("--dry-run") else {
      let outcome = try restoration.preview()
      Command.show(archive.manifest, "Would restore \(path) to \(directory):", arguments)
      return note(outcome, isPreview: true)
    }
    let staging = restoration.staging
    Interruption.expect(advice: "Nothing was restored.") { try? FileSystem.removeTree(staging) }
    let outcome = try restoration.perform()
    Command.show(archive.manifest, "Restored \(path) to \(directory):", arguments)
    note(outcome, isPreview: false)
  }

  private func note(_ outcome: Restoration.Outcome, isPreview: Bool) {
    guard !arguments.has("--quiet") else { return }
    if let aside = outcome.aside {
      Console.note("What was in the way \(isPreview ? "would be" : "is now") in \(aside).")
    }
    if !outcome.kept.isEmpty {
      Console.note(
        "For programs on other machines, \(outcome.kept.joined(separator: " and ")) \(isPreview ? "would stay" : "stayed") "
          + "as found.")
    }
    guard !isPreview else { return }
    let isOwn = DaemonLog.ownDirectory.map { NodePlace.withoutSlash($0) == directory } ?? false
    Console.note(
      "Stored files are not part of a backup: copy the folder sha1 of the old storage directory, or load them again.")
    Console.note(
      "Stop the old node for good, or the two refuse each other's links. Then start this one: "
        + "\(isOwn ? "" : "KACHERY_STORAGE_DIR=\((try? FileSystem.resolved(directory)) ?? directory) ")"
        + "kachery-p2p-start-daemon")
  }
}
