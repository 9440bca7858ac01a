import APIModel
import Primitives

/// Finds files and folders in stored folders.
struct FolderReader {
  private let arguments: Arguments

  init(_ arguments: Arguments) throws(KacheryError) { self.arguments = arguments }

  /// The URI of a file, which may be named by its path in a folder.
  ///
  /// - Throws: `badRequest` if it is a folder.
  func fileURI(_ text: String) throws(KacheryError) -> KacheryURI {
    switch try ContentURI(parsing: text) {
    case .file(let uri): return uri
    case .folder(let uri):
      guard case .file(let file) = try document(of: uri).entry(of: uri) else {
        throw KacheryError(.badRequest, "'\(text)' is a folder; 'kachery-load-dir' loads it.")
      }
      return KacheryURI(key: FileKey(hash: file.hash), label: URILabel.escape(file.name.text))
    }
  }

  /// The folder that the URI names.
  ///
  /// - Throws: `badRequest` if it is a file.
  func folder(_ text: String) throws(KacheryError) -> FolderDocument {
    let uri = try FolderURI(parsing: text)
    guard case .folder(let folder) = try document(of: uri).entry(of: uri) else {
      throw KacheryError(.badRequest, "'\(text)' is a file; 'kachery-load' loads it.")
    }
    return folder
  }

  /// The document of the folder.
  func document(of uri: FolderURI) throws(KacheryError) -> FolderDocument {
    let name: ByteString = uri.label.isEmpty ? "" : "\(uri.label)/"
    let file = try LoadedFile.load(KacheryURI(key: uri.document, label: name), arguments, isStep: true)
    return try FolderDocument(parsing: try file.bytes(limit: FolderDocument.maximumSize))
  }
}
