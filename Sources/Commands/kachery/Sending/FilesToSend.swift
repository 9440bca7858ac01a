import APIModel
import Files
import Primitives

/// Files and folders of this machine that are to be sent, each under its own name.
struct FilesToSend {
  /// A file to share in place.
  struct File: Sendable {
    let path: String
    let name: ByteString
    let status: FileStatus
  }

  /// A folder and what it contains. Symbolic links in it are left out.
  struct Folder {
    let name: ByteString
    fileprivate(set) var files: [File] = []
    fileprivate(set) var folders: [Folder] = []
    fileprivate(set) var linksLeftOut = 0

    var allFiles: [File] { files + folders.flatMap(\.allFiles) }
  }

  /// A folder without a name that contains the operands.
  let root: Folder

  var bytes: UInt64 { root.allFiles.reduce(0) { $0 &+ $1.status.size } }

  /// - Throws: if a file cannot be sent, before any is.
  init(_ operands: [String]) throws(KacheryError) {
    var root = Folder(name: "")
    for operand in operands {
      let path: String
      do throws(KacheryError) { path = try FileSystem.resolved(operand) } catch {
        throw KacheryError(.notFound, "'\(operand)' cannot be sent: \(error.systemReason ?? error.message).")
      }
      // A link is sent under its own name; '.' and '..' have that of the folder.
      let given = operand.lastPathName
      let name = ByteString([".", "..", ""].contains(given) ? path.lastPathName : given)
      guard !name.isEmpty else { throw KacheryError(.badRequest, "'\(operand)' has no name; send what is in it.") }
      guard name.text.isPrintable else { throw Self.unprintable(operand) }
      let status = try FileSystem.status(path)
      switch status.kind {
      case .folder: root.folders.append(try Self.folder(path, name, depth: 1, &root.linksLeftOut))
      default: root.files.append(try Self.file(path, name, status))
      }
    }
    self.root = root
  }

  private static func folder(
    _ path: String, _ name: ByteString, depth: Int, _ linksLeftOut: inout Int
  ) throws(KacheryError) -> Folder {
    guard depth < FolderDocument.maximumDepth else {
      throw KacheryError(.badFolder, "'\(path.prefix(60))…' is more than \(FolderDocument.maximumDepth) folders deep.")
    }
    let (names, notUTF8) = try FileSystem.allNames(in: path)
    if let name = notUTF8.first {
      throw KacheryError(.badFolder, "The name '\(name)' in '\(path)' is not UTF-8, so it cannot be sent; rename it.")
    }
    var folder = Folder(name: name)
    for name in names.map({ ByteString($0) }).sorted() {
      let path = "\(path)/\(name)"
      guard name.text.isPrintable else { throw unprintable(path) }
      let status = try FileSystem.status(path, followingLinks: false)
      switch status.kind {
      case .symbolicLink: linksLeftOut += 1
      case .folder: folder.folders.append(try Self.folder(path, name, depth: depth + 1, &linksLeftOut))
      default: folder.files.append(try file(path, name, status))
      }
    }
    return folder
  }

  private static func file(_ path: String, _ name: ByteString, _ status: FileStatus) throws(KacheryError) -> File {
    guard status.kind == .regular else {
      throw KacheryError(.badRequest, "'\(path)' is neither a file nor a folder, so it cannot be sent.")
    }
    guard FileSystem.isReadable(path) else {
      throw KacheryError(.permissionDenied, "'\(path)' cannot be read, so it cannot be sent.")
    }
    return File(path: path, name: name, status: status)
  }

  private static func unprintable(_ path: String) -> KacheryError {
    KacheryError(.badFolder, "The name of '\(path)' contains a control character; rename the file to send it.")
  }
}
