extension FolderDocument {
  /// The document as it is stored, `{"files":{NAME:{"size":…,"sha1":…}},"dirs":{NAME:{…}}}`: members in this order and
  /// names sorted by their bytes, so that a folder has the same hash on every node.
  package var json: JSONValue {
    let files = files.map { file in
      JSONObject.Member(
        name: file.name, value: ["size": .integer(Int64(clamping: file.size)), "sha1": .string(file.hash.hex)])
    }
    let folders = folders.map { JSONObject.Member(name: $0.name, value: $0.content.json) }
    return ["files": .object(JSONObject(distinct: files)), "dirs": .object(JSONObject(distinct: folders))]
  }

  /// Reads a folder from untrusted bytes. Ignores unknown members.
  ///
  /// - Throws: `badFolder` if the bytes are too many, are not JSON or not a folder, or contain an invalid name.
  package init(parsing bytes: some Collection<UInt8>) throws(KacheryError) {
    guard bytes.count <= Self.maximumSize else {
      throw KacheryError(.badFolder, "The folder's document has more than \(Self.maximumSize) bytes.")
    }
    let document: JSONValue
    do { document = try JSONParser.parse(bytes) } catch {
      throw KacheryError(.badFolder, "The folder's document is not JSON: \(error).", cause: error)
    }
    try self.init(document)
  }

  private init(_ document: JSONValue) throws(KacheryError) {
    guard let object = document.object, object["files"] != nil || object["dirs"] != nil else {
      throw KacheryError(.badFolder, "The document is not a folder: it has neither files nor dirs.")
    }
    var files: [File] = []
    for member in try Self.members("files", of: object) {
      guard let size = member.value["size"]?.unsigned,
        let hash = member.value["sha1"]?.string.flatMap({ ContentHash(hex: $0) })
      else { throw KacheryError(.badFolder, "The folder's file '\(member.name)' lacks its size or its sha1.") }
      files.append(File(name: member.name, size: size, hash: hash))
    }
    var folders: [Folder] = []
    for member in try Self.members("dirs", of: object) {
      folders.append(Folder(name: member.name, content: try FolderDocument(member.value)))
    }
    try self.init(files: files, folders: folders)
  }

  /// The members of the object of this name; none if it is absent or null.
  private static func members(_ name: ByteString, of folder: JSONObject) throws(KacheryError) -> [JSONObject.Member] {
    guard let value = folder[name], !value.isNull else { return [] }
    guard let object = value.object else {
      throw KacheryError(.badFolder, "The folder's '\(name)' is not an object.")
    }
    return object.members
  }
}
