import Primitives

/// The index of a folder: for people in a browser, or for programs.
struct FolderIndex: Sendable {
  /// Most names in an index. A program gets the names of a larger folder from its document, which is a file.
  static let mostNames = 5_000

  enum Form: String, Sendable {
    case html, json

    /// The form that a client wants, by its header `Accept`: browsers name HTML.
    init(accept: String?) {
      let types = (accept ?? "").parts(separatedBy: ",").map {
        RangeRequest.trimmed($0.cut(at: ";").head).lowercasedASCII
      }
      self = types.contains { ["text/html", "application/xhtml+xml"].contains(ByteString($0)) } ? .html : .json
    }

    var type: String { self == .html ? "text/html; charset=utf-8" : "application/json" }
  }

  let folder: FolderDocument
  let uri: FolderURI

  var nameCount: Int { folder.files.count + folder.folders.count }

  func bytes(_ form: Form) -> [UInt8] { form == .html ? Array(html.utf8) : json.compactBytes }

  /// The part of the folder's document that is this folder, without what is in the folders below it.
  private var json: JSONValue {
    let files = folder.files.map { file in
      JSONObject.Member(
        name: file.name, value: ["size": .integer(Int64(clamping: file.size)), "sha1": .string(file.hash.hex)])
    }
    return [
      "files": .object(JSONObject(distinct: files)), "dirs": .array(folder.folders.map { .string($0.name.text) }),
    ]
  }

  /// A page without scripts. Names come from anywhere, so they are escaped in text and in addresses.
  private var html: String {
    let title = Self.escaped(([uri.label.isEmpty ? "Folder" : uri.label] + uri.path).map(\.text).joined(separator: "/"))
    let up = uri.path.isEmpty ? "" : "<tr><td><a href=\"../\">../</a><td>\n"
    let folders = folder.folders.map { row($0.name.text, "/", nil) }
    let files = folder.files.map { row($0.name.text, "", $0.size) }
    return """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
      <title>\(title)</title>
      <style>body{font:16px/1.5 sans-serif;margin:2em}td{padding:0 2em 0 0}td+td{text-align:right}</style></head>
      <body><h1>\(title)</h1>
      <table>
      \(up)\((folders + files).joined())</table>
      </body></html>

      """
  }

  private func row(_ name: String, _ end: String, _ size: UInt64?) -> String {
    let address = PercentEncoding.encode(name) + end
    return "<tr><td><a href=\"\(address)\">\(Self.escaped(name + end))</a><td>\(size.map { "\($0)" } ?? "")\n"
  }

  private static func escaped(_ text: String) -> String {
    let bytes = text.printable.utf8.flatMap { byte -> [UInt8] in
      switch byte {
      case UInt8(ascii: "&"): Array("&amp;".utf8)
      case UInt8(ascii: "<"): Array("&lt;".utf8)
      case UInt8(ascii: ">"): Array("&gt;".utf8)
      case UInt8(ascii: "\""): Array("&quot;".utf8)
      case UInt8(ascii: "'"): Array("&#39;".utf8)
      default: [byte]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
