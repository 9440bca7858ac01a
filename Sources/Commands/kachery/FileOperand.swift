import Files
import Primitives

/// A file that is to be loaded, as it was named.
enum FileOperand {
  /// A file of this machine, which needs no loading: the published clients took those as well.
  case local(String)
  case stored(KacheryURI)

  /// - Parameter text: a URI of any form, the place of a file in a stored folder, 40 digits, or a path.
  /// - Throws: `badRequest` where it is none of them, or a folder.
  init(_ text: String, _ arguments: Arguments) throws(KacheryError) {
    guard !text.contains(bytesOf: "://") else {
      self = .stored(try FolderReader(arguments).fileURI(text))
      return
    }
    if let status = (try? FileSystem.statusIfPresent(text)) ?? nil {
      guard status.kind != .folder else {
        throw KacheryError(.badRequest, "'\(text)' is a folder of this machine; there is nothing to load.")
      }
      self = .local(text)
    } else if let hash = ContentHash(hex: text) {
      self = .stored(KacheryURI(key: FileKey(hash: hash)))
    } else {
      throw KacheryError(
        .badRequest,
        "'\(text)' is no kachery URI, which begins with sha1:// or sha1dir://, and no file of this machine.")
    }
  }

  /// The URI; nil for a file of this machine.
  var uri: KacheryURI? { if case .stored(let uri) = self { uri } else { nil } }
}

extension Arguments {
  /// The only node that may be asked; nil for any.
  func node(askedBy client: DaemonClient) throws(KacheryError) -> NodeID? {
    has(Command.localOnly.name) ? client.probe.node : try node(Command.fromNode.name)
  }

  /// The only channel whose members may be asked; nil for any.
  var askedChannel: String? { value(Command.fromChannel.name) ?? value(Command.channel.name) }
}
