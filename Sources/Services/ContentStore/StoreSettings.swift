import Files
package import Primitives
import YAML

/// What the store itself needs of `kachery.yaml` in its directory. The module Settings reads the whole file.
package enum StoreSettings {
  /// Most bytes of stored files according to the document; nil for no limit.
  ///
  /// - Throws: `badConfiguration` if it is not YAML, or if the limit is not a number above 0.
  package static func maximumBytes(yaml bytes: [UInt8]) throws(KacheryError) -> UInt64? {
    let document: YAMLValue
    do throws(KacheryError) { document = try YAMLParser.parse(bytes) } catch {
      throw KacheryError(.badConfiguration, "kachery.yaml cannot be read: \(error.message)", cause: error)
    }
    guard let entry = document["maxCacheSizeGiB"], !entry.isNull else { return nil }
    guard let bytes = entry.text.flatMap({ Quantity.bytes(gibibytes: $0) }) else {
      throw KacheryError(
        .badConfiguration, "maxCacheSizeGiB in kachery.yaml is not a number of GiB above 0; correct it.")
    }
    return bytes
  }
}

extension ContentStore {
  /// Most bytes of stored files according to `kachery.yaml` of this store; nil for no limit.
  package func maximumBytes() throws(KacheryError) -> UInt64? {
    let path = "\(layout.root)/kachery.yaml"
    guard try FileSystem.statusIfPresent(path) != nil else { return nil }
    return try StoreSettings.maximumBytes(yaml: try FileSystem.read(path, limit: 1 << 20))
  }
}
