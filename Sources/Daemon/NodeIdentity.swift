import Crypto
import Files
import Primitives

/// The node's key pair on disk, locked for exclusive use.
struct NodeIdentity: Sendable {
  let key: SigningKey
  private let lock: LockFile

  /// Loads the key pair from the storage directory, or else from the configuration directory, or else creates one
  /// there.
  ///
  /// - Parameter secrets: other files that must be as private as the key, so that one error names all that are not.
  /// - Throws: `badKey` if it is damaged or readable by others, `alreadyRunning` if another daemon uses it.
  init(
    storageDirectory: String, configurationDirectory: String, besides secrets: [String] = []
  ) throws(KacheryError) {
    let hasOwn = try FileSystem.statusIfPresent("\(storageDirectory)/private.pem") != nil
    let folder = hasOwn ? storageDirectory : configurationDirectory
    if !hasOwn { try FileSystem.createFolder(folder, permissions: 0o700) }
    let lockFolder = hasOwn ? "\(folder)/kachery-node" : folder
    try FileSystem.createFolder(lockFolder, permissions: hasOwn ? 0o755 : 0o700)
    lock = try LockFile("\(lockFolder)/identity.lock", protecting: "The node identity in \(folder)")
    try Self.requirePrivate(["\(folder)/private.pem"] + secrets)
    if let known = try Self.load(from: folder) { key = known } else { key = try Self.create(in: folder) }
  }

  private static func requirePrivate(_ paths: [String]) throws(KacheryError) {
    var open: [String] = []
    for path in paths where try FileSystem.statusIfPresent(path).map({ $0.permissions & 0o077 != 0 }) ?? false {
      open.append(path)
    }
    guard !open.isEmpty else { return }
    let names = open.map { "'\($0)'" }.joined(separator: " and ")
    throw KacheryError(
      .badKey,
      "\(names) \(open.count == 1 ? "is" : "are") readable by other users; if still secret, run: "
        + "chmod 600 \(open.joined(separator: " "))")
  }

  private static func load(from folder: String) throws(KacheryError) -> SigningKey? {
    let path = "\(folder)/private.pem"
    guard try FileSystem.statusIfPresent(path) != nil else { return nil }
    let text = String(decoding: try FileSystem.read(path, limit: 16 << 10), as: UTF8.self)
    let key: SigningKey
    do throws(KacheryError) { key = try SigningKey(pem: text) } catch {
      throw KacheryError(.badKey, "'\(path)' is not a node's private key: \(error.message)", cause: error)
    }
    let publicPath = "\(folder)/public.pem"
    if try FileSystem.statusIfPresent(publicPath) != nil {
      let text = String(decoding: try FileSystem.read(publicPath, limit: 16 << 10), as: UTF8.self)
      guard try NodeID(pem: text) == key.publicKey else {
        throw KacheryError(.badKey, "'\(publicPath)' does not belong to '\(path)'; restore the matching pair.")
      }
    }
    return key
  }

  private static func create(in folder: String) throws(KacheryError) -> SigningKey {
    let key = try SigningKey.generate()
    // Write the private key last: if it exists, the pair is complete.
    try FileSystem.replace(
      "\(folder)/public.pem", with: Array(try key.publicKey.pem().utf8), permissions: 0o600)
    try FileSystem.replace("\(folder)/private.pem", with: Array(try key.pem().utf8), permissions: 0o600)
    return key
  }
}
