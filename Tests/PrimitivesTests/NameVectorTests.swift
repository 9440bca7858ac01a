import Primitives
import TestSupport
import Testing

/// The names of `Tests/Vectors`, which the tests of the Python clients replay as well.
@Suite struct NameVectorTests {
  @Test func labels() throws {
    for vector in try Vectors.json("names.json").list("labels") {
      let (name, label) = (try vector.text("name"), try vector.text("label"))
      #expect(URILabel.escape(name.text) == label)
      let hash = try #require(ContentHash(bytes: [UInt8](repeating: 7, count: 20)))
      let file = KacheryURI(key: FileKey(hash: hash, manifest: hash), label: label)
      #expect(try KacheryURI(parsing: file.description) == file)
      let folder = FolderURI(hash: hash, label: label, path: ["\u{301}a"])
      #expect(try FolderURI(parsing: folder.description) == folder)
    }
    #expect(URILabel.escapeKeepingSlashes("a/\u{301}b?/c d") == "a/\u{301}b%3F/c%20d")
  }

  @Test func feeds() throws {
    for vector in try Vectors.json("names.json").list("feeds") {
      let uri = try FeedURI(parsing: try vector.text("uri").text)
      #expect(uri.feed.hex == vector["feed"]?.string)
      #expect(uri.subfeed == vector["subfeed"]?.string.map { ByteString($0) })
      #expect(ByteString(uri.description) == (try vector.text("written")))
    }
  }

  @Test func folders() throws {
    for vector in try #require(try Vectors.json("folders.json").array) {
      let document = try vector.text("document")
      let folder = try FolderDocument(parsing: Array(document.utf8))
      #expect(ByteString(folder.json.compact) == document)
      let files = try #require(vector["files"]?.object).members.map(\.name)
      #expect(Set(folder.allFiles.map(\.path)) == Set(files))
      #expect(files.count == folder.allFiles.count)
      let shuffled = try FolderDocument(files: folder.files.reversed(), folders: folder.folders.reversed())
      #expect(shuffled == folder)
      for (path, file) in folder.allFiles {
        let names = path.text.parts(separatedBy: "/").map { ByteString($0) }
        #expect(try folder.entry(at: names) == .file(file))
      }
      let uri = try FolderURI(parsing: try vector.text("uri").text)
      #expect(uri.label == URILabel.escape(try vector.text("name").text))
    }
  }

  /// A path in a folder's URI is percent-encoded; what older software wrote as it was is found as well.
  @Test func pathsInFolders() throws {
    let hash = try #require(ContentHash(bytes: [UInt8](repeating: 7, count: 20)))
    let vectors = try Vectors.json("names.json").list("inFolders")
    #expect(vectors.count >= 20)
    for vector in vectors {
      let names = try #require(vector["files"]?.array).compactMap(\.string)
      let folder = try names.enumerated().map { try Self.folder(with: $1, of: UInt64($0), hash) }.merged()
      let uri = try FolderURI(parsing: "sha1dir://\(hash).label/\(try vector.text("path"))")
      guard let found = vector["found"]?.string else {
        #expect(throws: KacheryError.self, "\(uri)") { try folder.entry(of: uri) }
        continue
      }
      let index = try #require(names.firstIndex { ByteString($0) == ByteString(found) })
      let name = ByteString(found.lastPathName)
      #expect(try folder.entry(of: uri) == .file(.init(name: name, size: UInt64(index), hash: hash)), "\(uri)")
    }
  }

  /// A folder that contains one file, at this path.
  private static func folder(with path: String, of size: UInt64, _ hash: ContentHash) throws -> FolderDocument {
    let (name, rest) = path.cut(at: "/")
    guard let rest else {
      return try FolderDocument(files: [.init(name: ByteString(name), size: size, hash: hash)], folders: [])
    }
    return try FolderDocument(
      files: [], folders: [.init(name: ByteString(name), content: try folder(with: String(rest), of: size, hash))])
  }

  /// Thousands of names that differ only in spelling.
  @Test func aLargeFolderIsReadAsItWasWritten() throws {
    let hash = try #require(ContentHash(bytes: [UInt8](repeating: 7, count: 20)))
    let files = (0..<3_000).flatMap { number in
      ["\u{fc}", "u\u{308}"].map { FolderDocument.File(name: "\($0)\(number)", size: UInt64(number), hash: hash) }
    }
    let folder = try FolderDocument(files: files, folders: [])
    #expect(try FolderDocument(parsing: folder.json.compactBytes) == folder)
    #expect(folder.files.count == 6_000)
  }
}

extension [FolderDocument] {
  fileprivate func merged() throws -> FolderDocument {
    try FolderDocument(files: flatMap(\.files), folders: flatMap(\.folders))
  }
}
