import Primitives

/// The type of a file by its name, for the header `Content-Type`.
enum MediaType {
  /// Of a file whose name says nothing.
  static let unknown = "application/octet-stream"

  /// The type of a file with this name.
  static func of(_ name: String) -> String {
    let (_, ending) = name.lowercasedASCII.cut(atLast: ".")
    return ending.flatMap { types[ByteString($0)] } ?? unknown
  }

  /// Whether browsers show it in a viewer of their own, which a sandbox would keep from opening.
  static func hasViewer(_ type: String) -> Bool { ByteString(type) == "application/pdf" }

  private static let text = "; charset=utf-8"

  /// By the ending of the name. Types are those of IANA's registry as far as it has them.
  private static let types: [ByteString: String] = [
    "avif": "image/avif", "bin": unknown, "bmp": "image/bmp", "css": "text/css" + text, "csv": "text/csv" + text,
    "epub": "application/epub+zip", "flac": "audio/flac", "gif": "image/gif", "gz": "application/gzip",
    "h5": "application/x-hdf5", "hdf5": "application/x-hdf5", "htm": "text/html" + text, "html": "text/html" + text,
    "ico": "image/vnd.microsoft.icon", "ipynb": "application/x-ipynb+json", "jpeg": "image/jpeg", "jpg": "image/jpeg",
    "js": "text/javascript" + text, "json": "application/json", "jsonl": "application/jsonl",
    "log": "text/plain" + text,
    "m4a": "audio/mp4", "m4v": "video/mp4", "md": "text/markdown" + text, "mjs": "text/javascript" + text,
    "mov": "video/quicktime", "mp3": "audio/mpeg", "mp4": "video/mp4", "nwb": "application/x-hdf5",
    "ogg": "audio/ogg", "ogv": "video/ogg", "parquet": "application/vnd.apache.parquet", "pdf": "application/pdf",
    "png": "image/png", "py": "text/plain" + text, "svg": "image/svg+xml", "tar": "application/x-tar",
    "tif": "image/tiff", "tiff": "image/tiff", "toml": "application/toml",
    "tsv": "text/tab-separated-values" + text, "txt": "text/plain" + text, "wasm": "application/wasm",
    "wav": "audio/wav", "webm": "video/webm", "webp": "image/webp", "xml": "application/xml",
    "yaml": "application/yaml", "yml": "application/yaml", "zarray": "application/json", "zattrs": "application/json",
    "zgroup": "application/json", "zip": "application/zip", "zmetadata": "application/json", "zst": "application/zstd",
  ]
}
