/// The label at the end of a URI, for people: the name of the stored file or folder.
package enum URILabel {
  /// The name with bytes that would end or break the URI written as `%XX`. Letters of any script stay readable.
  package static func escape(_ name: String) -> ByteString {
    var escaped: [UInt8] = []
    for byte in name.utf8 {
      if byte <= 0x20 || byte == 0x7f || "%?#/".utf8.contains(byte) {
        escaped += PercentEncoding.escape(byte)
      } else {
        escaped.append(byte)
      }
    }
    return ByteString(String(decoding: escaped, as: UTF8.self))
  }

  /// The same for a label given for a file: its slashes stay, as in the URIs of the published clients.
  package static func escapeKeepingSlashes(_ label: String) -> ByteString {
    ByteString(label.parts(separatedBy: "/").map { escape(String($0)).text }.joined(separator: "/"))
  }
}
