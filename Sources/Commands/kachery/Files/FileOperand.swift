import Files
import Primitives

/// A file to load, as the caller named it.
enum FileOperand {
  /// A file on this machine, which needs no loading; the published clients accept these too.
  case local(String)
  case stored(KacheryURI)

  /// - Parameter text: a URI of any form, the place of a file in a stored folder, 40 digits, or a path.
  /// - Throws: `badRequest` if it is none of these, or a folder.
  init(_ text: String, _ arguments: Arguments) throws(KacheryError) {
    guard !text.contains(bytesOf: "://") else {
      self = .stored(try FolderReader(arguments).fileURI(text))
      return
    }
    if let status = (try? FileSystem.statusIfPresent(text)) ?? nil {
      guard status.kind != .folder else {
        throw KacheryError(.badRequest, "'\(text)' is a folder on this machine; there is nothing to load.")
      }
      self = .local(text)
    } else if let hash = ContentHash(hex: text) {
      self = .stored(KacheryURI(key: FileKey(hash: hash)))
    } else {
      throw KacheryError(
        .badRequest,
        "'\(text)' is neither a kachery URI (sha1:// or sha1dir://) nor a file on this machine.")
    }
  }

  /// The URI; nil for a file on this machine.
  var uri: KacheryURI? { if case .stored(let uri) = self { uri } else { nil } }
}

extension Arguments {
  /// The only node that may be asked; nil for any.
  func node(askedBy client: DaemonClient) throws(KacheryError) -> NodeID? {
    has(Command.localOnly.name) ? client.probe.node : try node(Command.fromNode.name)
  }

  /// The only channel whose members may be asked; nil for any.
  ///
  /// - Throws: `badRequest` if its name is empty.
  func askedChannel() throws(KacheryError) -> String? {
    let name = value(Command.fromChannel.name) ?? value(Command.channel.name)
    guard name?.isEmpty != true else {
      throw KacheryError(.badRequest, "The channel's name is empty; leave the option out to ask on every channel.")
    }
    return name
  }
}
