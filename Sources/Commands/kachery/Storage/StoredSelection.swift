import APIModel
import Crypto
import Files
import Primitives

/// The files that the operands of a command name: single files, and everything in stored folders.
struct StoredSelection {
  /// Where the document of a folder may come from.
  enum Documents {
    /// Only from this storage.
    case here
    /// From other nodes as well.
    case anywhere
  }

  /// Files that were named themselves, in the order of the operands.
  private(set) var files: [ContentHash] = []
  /// The documents of the folders and all files below them, the documents first, without `files`.
  private(set) var inFolders: [ContentHash] = []

  /// All of them, each once.
  var all: [ContentHash] { files + inFolders }

  var isEmpty: Bool { files.isEmpty && inFolders.isEmpty }

  /// - Throws: `notFound` if the document of a folder is not there, `badFolder` if it is none.
  init(_ arguments: Arguments, from documents: Documents) throws(KacheryError) {
    var (leading, contents): ([ContentHash], [ContentHash]) = ([], [])
    for operand in arguments.operands {
      guard FolderURI.isMeant(by: operand) else {
        if let hash = ContentHash(hex: operand) {
          files.append(hash)
        } else {
          files.append(try KacheryURI(parsing: operand).key.hash)
        }
        continue
      }
      let uri = try FolderURI(parsing: operand)
      switch try Self.document(of: uri, documents, arguments).entry(of: uri) {
      case .file(let file): files.append(file.hash)
      case .folder(let folder):
        if uri.path.isEmpty { leading.append(uri.hash) }
        contents += folder.allFiles.map(\.file.hash)
      }
    }
    var seen = Set(files)
    inFolders = (leading + contents).filter { seen.insert($0).inserted }
  }

  /// As above; at least one operand.
  static func required(_ arguments: Arguments, from documents: Documents) throws(KacheryError) -> StoredSelection {
    guard !arguments.operands.isEmpty else { throw KacheryError(.badRequest, "The URI is missing.") }
    return try StoredSelection(arguments, from: documents)
  }

  private static func document(
    of uri: FolderURI, _ documents: Documents, _ arguments: Arguments
  ) throws(KacheryError) -> FolderDocument {
    switch documents {
    case .anywhere: try FolderReader(arguments).document(of: uri)
    case .here:
      try FolderDocument(parsing: try Storage.current().bytes(of: uri.hash, atMost: FolderDocument.maximumSize))
    }
  }
}

extension Storage {
  /// The bytes of a file that is here.
  ///
  /// - Throws: `notFound` if it is not, `badFolder` if it is too long for a folder's document.
  fileprivate func bytes(of hash: ContentHash, atMost limit: UInt64) throws(KacheryError) -> [UInt8] {
    var bytes: [UInt8] = []
    do throws(KacheryError) {
      switch self {
      case .online(let client):
        try client.download(["fileKey": FileKey(hash: hash).json]) { block in
          bytes += block
          return UInt64(bytes.count) <= limit
        }
      case .offline(let store):
        guard let file = try store.find(hash) else { throw KacheryError(.notFound, "") }
        bytes = try FileSystem.read(file.path, limit: Int(limit))
      }
    } catch  where error.code == .notFound {
      throw KacheryError(
        .notFound,
        "The document of the folder \(hash) is not here, so its files are not known; 'kachery ls' with its URI loads it."
      )
    }
    guard ContentHash.of(bytes) == hash else {
      throw KacheryError(.badFolder, "The file \(hash) is altered, or too long for a folder's document.")
    }
    return bytes
  }
}
