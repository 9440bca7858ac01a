import Crypto
import Files
import Primitives
import Process

/// The folder that `load-dir` writes. However the command ends, a folder that lacks files does not look whole.
///
/// A new folder is written beside its place and renamed when everything is in it. A folder that exists contains a
/// marker until everything is in it.
struct FolderDestination {
  /// The end of the names of unfinished folders and of markers. Python uses the same names.
  static let suffix = ".kachery-partial"

  /// The folder that is there at the end.
  let path: String
  /// Where to write the files: `path` if it exists, or else a hidden folder beside it.
  let place: String
  private let document: FolderDocument
  /// Held while files are written to a hidden folder.
  private let lock: File?

  private var isBeside: Bool { lock != nil }

  /// Begins to write the folder, or continues what an interrupted command began. Waits for another command that writes
  /// it.
  ///
  /// - Parameter path: as `name` returns it.
  init(_ path: String, _ document: FolderDocument) throws(KacheryError) {
    self.document = document
    self.path = path
    guard try FileSystem.statusIfPresent(path) == nil else {
      (place, lock) = (path, nil)
      try mark()
      return
    }
    (place, lock) = try Self.besides(path, document)
  }

  /// The folder's path without slashes, and names of the folder itself, at its end.
  ///
  /// - Throws: `badRequest` if it is empty, or that of a file.
  static func name(_ destination: String) throws(KacheryError) -> String {
    var path = destination
    while path.utf8.count > 1, let rest = path.removing(suffix: "/.") ?? path.removing(suffix: "/") {
      path = rest.isEmpty ? "/" : String(rest)
    }
    guard !path.isEmpty else { throw KacheryError(.badRequest, "The destination is empty; name the folder to write.") }
    if let present = try FileSystem.statusIfPresent(path), present.kind != .folder {
      throw KacheryError(.badRequest, "'\(destination)' is a file; name the folder to write.")
    }
    return path
  }

  /// The hidden folder in which `destination` is prepared.
  static func hidden(for destination: String, _ document: FolderDocument) -> String {
    let parent = FileSystem.parent(of: destination)
    let end = ".\(tag(of: document))\(suffix)"
    let name = String(destination.lastPathName)
    let shown = name.utf8.count + end.utf8.count < FolderDocument.maximumNameLength ? name : "folder"
    return (parent == "/" ? "" : parent) + "/.\(shown)\(end)"
  }

  /// The hidden folder, created if missing, and the lock on it.
  private static func besides(
    _ path: String, _ document: FolderDocument
  ) throws(KacheryError) -> (String, File) {
    let hidden = hidden(for: path, document)
    while true {
      try FileSystem.createFolder(hidden, permissions: 0o755)
      let status = try FileSystem.status(hidden, followingLinks: false)
      guard status.kind == .folder, status.owner == FileSystem.user else {
        throw KacheryError(.badRequest, "'\(hidden)' belongs to someone else; choose another destination.")
      }
      let folder: File
      do throws(KacheryError) { folder = try File(hidden, .folder) } catch  where error.code == .notFound { continue }
      // Some network file systems cannot lock a folder.
      while (try? folder.tryLock()) == false { SteadyClock.sleep(for: .milliseconds(100)) }
      // The command that held the lock may have given the folder its name.
      let now = try FileSystem.statusIfPresent(hidden, followingLinks: false)
      if let now, now.isSameFile(as: try folder.status()) { return (hidden, folder) }
    }
  }

  private var marker: String { "\(path)/unfinished-\(Self.tag(of: document))\(Self.suffix)" }

  /// Tells what is left of one folder from what is left of another.
  private static func tag(of document: FolderDocument) -> String {
    String(ContentHash.of(document.json.compactBytes).hex.prefix(10))
  }

  private func mark() throws(KacheryError) {
    let text = "kachery is loading files to this folder, or was interrupted: load the folder again to finish it.\n"
    try FileSystem.replace(marker, with: Array(text.utf8), permissions: 0o644)
  }

  /// The paths of the files that an interrupted command has written to the hidden folder.
  static func written(_ document: FolderDocument, for path: String) -> Set<ByteString> {
    let hidden = hidden(for: path, document)
    guard !FileSystem.exists(path), FileSystem.exists(hidden) else { return [] }
    return Set(document.allFiles.filter { holds($0.file, at: "\(hidden)/\($0.path)") }.map(\.path))
  }

  private static func holds(_ wanted: FolderDocument.File, at path: String) -> Bool {
    guard let file = try? File(path, .readHere), let status = try? file.status(), status.kind == .regular,
      status.size == wanted.size
    else { return false }
    return (try? file.hash()) == wanted.hash
  }

  /// Whether these files, which `written` has returned, are still in it.
  func contains(_ paths: Set<ByteString>) -> Bool { paths.allSatisfy { FileSystem.exists("\(place)/\($0)") } }

  /// Creates every folder in it.
  func createFolders() throws(KacheryError) {
    for folder in document.allFolders { try FileSystem.createFolder("\(place)/\(folder)", permissions: 0o755) }
  }

  /// Ends when every file is in it.
  ///
  /// - Returns: false if the folder has appeared in the meantime, so that the files must be written there.
  func finish() throws(KacheryError) -> Bool {
    guard isBeside else {
      try FileSystem.remove(marker)
      return true
    }
    try keepOnly(document, in: place)
    do throws(KacheryError) { try Interruption.rename(place, to: path) } catch {
      guard ((try? FileSystem.statusIfPresent(path)) ?? nil)?.kind == .folder else { throw error }
      return false
    }
    try FileSystem.syncFolder(FileSystem.parent(of: path))
    return true
  }

  /// Removes the hidden folder and everything in it.
  func removeHidden() throws(KacheryError) {
    guard isBeside else { return }
    try FileSystem.removeTree(place)
  }

  /// Removes what interrupted commands have left, and waits until the names in it are on the disk.
  private func keepOnly(_ document: FolderDocument, in folder: String) throws(KacheryError) {
    let files = Set(document.files.map(\.name))
    let folders = Set(document.folders.map(\.name))
    let (names, notUTF8) = try FileSystem.allNames(in: folder)
    if let name = notUTF8.first {
      throw KacheryError(.storageFailed, "There is a file '\(name)' in '\(folder)' that is not kachery's; remove it.")
    }
    for name in names.map({ ByteString($0) }) {
      let isFolder = try FileSystem.statusIfPresent("\(folder)/\(name)", followingLinks: false)?.kind == .folder
      if isFolder ? folders.contains(name) : files.contains(name) { continue }
      try FileSystem.removeTree("\(folder)/\(name)")
    }
    for inner in document.folders { try keepOnly(inner.content, in: "\(folder)/\(inner.name)") }
    try FileSystem.syncFolder(folder)
  }
}
