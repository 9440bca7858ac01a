import Files
package import Primitives
import YAML

/// The settings of `kachery.yaml` in a storage directory.
package struct StoreSettings: Hashable, Sendable {
  /// Most bytes of stored files; nil for no limit.
  package var maximumBytes: UInt64?
  /// How fast a daemon may upload and download, as the owner wrote it: MB per second, optionally by time of day.
  package var uploadLimit: String?
  package var downloadLimit: String?
  /// How fast it may pass on what other nodes send each other, in the same form.
  package var relayLimit: String?
  /// The proxy through which a daemon reaches other nodes, and the hosts that it reaches directly.
  package var proxy: String?
  package var proxyExceptions: String?
  /// Whether a daemon may ask its router to lead a port to it.
  package var mapsPorts: Bool?
  /// Most transfers that a daemon serves concurrently.
  package var maximumTransfers: Int?

  /// The node IDs, and the names or addresses of channels, to which a bootstrap node limits its introductions.
  package var introduced: [String]?

  package init() {}

  /// Reads the document.
  ///
  /// - Throws: `badConfiguration` if it is not a YAML mapping or an entry has the wrong form.
  package init(yaml bytes: [UInt8]) throws(KacheryError) {
    let document: YAMLValue
    do throws(KacheryError) { document = try YAMLParser.parse(bytes) } catch {
      throw KacheryError(.badConfiguration, "kachery.yaml cannot be read: \(error.message)", cause: error)
    }
    maximumBytes = try Self.value("maxCacheSizeGiB", of: document, "a number above 0") { value in
      value.number.flatMap { $0 > 0 && $0 < 1e9 ? UInt64($0 * 1_073_741_824) : nil }
    }
    uploadLimit = try Self.value("limitUp", of: document, "MB a second") { $0.text }
    downloadLimit = try Self.value("limitDown", of: document, "MB a second") { $0.text }
    relayLimit = try Self.value("limitRelay", of: document, "MB a second") { $0.text }
    proxy = try Self.value("proxy", of: document, "an address") { $0.text }
    proxyExceptions = try Self.value("noProxy", of: document, "a list of hosts, separated by commas") { $0.text }
    mapsPorts = try Self.value("portMapping", of: document, "yes or no") { $0.bool }
    introduced = try Self.value("introduceOnly", of: document, "a list of at most 256 node IDs and channels") { value in
      value.sequence.flatMap { entries in
        let names = entries.compactMap(\.text)
        return names.count == entries.count && names.count <= 256 && !names.contains(where: \.isEmpty) ? names : nil
      }
    }
    maximumTransfers = try Self.value("maxTransfers", of: document, "a whole number") { value in
      value.integer.flatMap { $0 >= 0 ? Int(exactly: $0) : nil }
    }
  }

  private static func value<Value>(
    _ name: ByteString, of document: YAMLValue, _ kind: String, _ read: (YAMLValue) -> Value?
  ) throws(KacheryError) -> Value? {
    guard let entry = document[name], !entry.isNull else { return nil }
    guard let value = read(entry) else {
      throw KacheryError(.badConfiguration, "\(name) in kachery.yaml is not \(kind); correct it.")
    }
    return value
  }
}

extension StoreSettings {
  /// Reads `kachery.yaml` in this directory; empty if there is none.
  package init(in directory: String) throws(KacheryError) {
    let path = "\(directory)/kachery.yaml"
    self.init()
    guard try FileSystem.statusIfPresent(path) != nil else { return }
    self = try StoreSettings(yaml: try FileSystem.read(path, limit: 1 << 20))
  }
}

extension ContentStore {
  /// Reads `kachery.yaml` of this store.
  package func settings() throws(KacheryError) -> StoreSettings { try StoreSettings(in: layout.root) }
}
