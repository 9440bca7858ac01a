import Files
import Primitives

/// The port for links that the system has chosen for this node, kept for its next start: routers then go on leading to it.
struct ChosenPort: Sendable {
  private let path: String

  /// The port that is kept in this folder.
  ///
  /// - Parameter isUDP: whether it is one for links by QUIC, if that is chosen for itself.
  init(in folder: String, isUDP: Bool = false) { path = "\(folder)/\(isUDP ? "udp-port" : "port")" }

  /// The port; nil if none has been chosen, or the file is damaged.
  var value: UInt16? {
    guard let bytes = try? FileSystem.read(path, limit: 16) else { return nil }
    return UInt16(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)).flatMap {
      $0 == 0 ? nil : $0
    }
  }

  /// Keeps this port from now on.
  func keep(_ port: UInt16) throws(KacheryError) {
    guard value != port else { return }
    try FileSystem.replace(path, with: Array("\(port)\n".utf8), permissions: 0o600)
  }
}
