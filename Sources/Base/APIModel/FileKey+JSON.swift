package import Primitives

extension FileKey {
  /// The key in the form that clients use: `{"sha1", "manifestSha1"?, "chunkOf"?: {"fileKey", "startByte",
  /// "endByte"}}`.
  package var json: JSONValue {
    var object: JSONObject = ["sha1": .string(hash.hex)]
    if let manifest { object["manifestSha1"] = .string(manifest.hex) }
    if let chunk = chunkOf {
      let parent = FileKey(hash: chunk.parent, manifest: chunk.parentManifest)
      object["chunkOf"] = [
        "fileKey": parent.json, "startByte": .integer(Int64(clamping: chunk.range.start)),
        "endByte": .integer(Int64(clamping: chunk.range.end)),
      ]
    }
    return .object(object)
  }

  /// Reads a key in the form that clients use.
  package init(json: JSONValue) throws(KacheryError) {
    let fields = try JSONFields(json, named: "fileKey")
    var location: ChunkLocation?
    if let chunk = fields.value("chunkOf") {
      let chunkFields = try JSONFields(chunk, named: "chunkOf")
      let parent = try JSONFields(try chunkFields.anyValue("fileKey"), named: "chunkOf.fileKey")
      let start = try chunkFields.unsigned("startByte")
      let end = try chunkFields.unsigned("endByte")
      guard let range = ByteRange(start: start, end: end) else {
        throw KacheryError(.badRequest, "The chunk ends at byte \(end), before it starts at \(start).")
      }
      guard ChunkLocation.isPossible(range) else {
        throw KacheryError(
          .badRequest,
          "The chunk has \(range.count) bytes, or is beyond the largest file; a chunk has at most "
            + "\(Limits.maximumPartSize) bytes.")
      }
      location = ChunkLocation(
        parent: try parent.fixed("sha1"), parentManifest: try parent.optionalFixed("manifestSha1"), range: range)
    }
    self.init(
      hash: try fields.fixed("sha1"), manifest: try fields.optionalFixed("manifestSha1"), chunkOf: location)
  }
}
