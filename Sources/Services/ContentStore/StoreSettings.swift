import Files
package import Primitives
import YAML

/// What `kachery.yaml` in a storage directory says.
package struct StoreSettings: Hashable, Sendable {
  /// The bytes that the stored files may have together; nil for no limit.
  package var maximumBytes: UInt64?

  package init() {}

  /// Reads the document.
  ///
  /// - Throws: `badConfiguration` where it is no YAML mapping or its limit no number.
  package init(yaml bytes: [UInt8]) throws(KacheryError) {
    let document: YAMLValue
    do throws(KacheryError) { document = try YAMLParser.parse(bytes) } catch {
      throw KacheryError(.badConfiguration, "kachery.yaml cannot be read: \(error.message)", cause: error)
    }
    guard let value = document["maxCacheSizeGiB"], !value.isNull else { return }
    guard let size = value.number, size > 0, size < 1e9 else {
      throw KacheryError(.badConfiguration, "maxCacheSizeGiB in kachery.yaml is not a number above 0; correct it.")
    }
    maximumBytes = UInt64(size * 1_073_741_824)
  }
}

extension ContentStore {
  /// What `kachery.yaml` says now; nothing where there is none.
  package func settings() throws(KacheryError) -> StoreSettings {
    let path = "\(layout.root)/kachery.yaml"
    guard try FileSystem.statusIfPresent(path) != nil else { return StoreSettings() }
    return try StoreSettings(yaml: try FileSystem.read(path, limit: 1 << 20))
  }
}
