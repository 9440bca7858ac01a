import Primitives

/// The headers that belong to a file, whichever part of it is sent.
struct FileHeaders: Sendable {
  let hash: ContentHash
  /// The name that the path gives; empty if it gives none.
  let name: String

  /// Strong, because the bytes follow from the hash.
  var tag: String { "\"sha1-\(hash)\"" }

  var type: String { MediaType.of(name) }

  var all: [(name: String, value: String)] { validators + [("Content-Type", type)] + protection + disposition }

  /// Those of an answer that the client has it already (RFC 9110, section 15.4.5).
  var validators: [(name: String, value: String)] {
    [
      ("ETag", tag), ("Accept-Ranges", "bytes"),
      // What is named by its hash never changes.
      ("Cache-Control", "public, max-age=31536000, immutable"),
    ]
  }

  /// A file from anywhere is shown in the name of the host that serves it: it must neither run scripts there nor be taken
  /// for something else than its name says.
  private var protection: [(name: String, value: String)] {
    let sandbox = ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
    return [("X-Content-Type-Options", "nosniff")] + (MediaType.hasViewer(type) ? [] : [sandbox])
  }

  /// The name under which a browser saves it (RFC 6266), for those that know UTF-8 and those that do not.
  private var disposition: [(name: String, value: String)] {
    guard !name.isEmpty else { return [] }
    let plain = String(
      decoding: name.utf8.map { byte in
        (0x20...0x7e).contains(byte) && !"\"\\%".utf8.contains(byte) ? byte : UInt8(ascii: "_")
      }, as: UTF8.self)
    let encoded = PercentEncoding.encode(name)
    return [("Content-Disposition", "inline; filename=\"\(plain)\"; filename*=UTF-8''\(encoded)")]
  }
}
