import APIModel
import ContentStore
import Diagnostics
import Primitives

/// Files of a daemon on another machine that were loaded to this one: a storage directory of its own, which may be emptied at
/// any time.
struct RemoteCache {
  private let store: ContentStore

  init() throws(KacheryError) {
    let home = Environment["HOME"] ?? "/"
    let base = Environment["XDG_CACHE_HOME"] ?? "\(home)/.cache"
    store = try ContentStore(directory: Environment["KACHERY_CACHE_DIR"] ?? "\(base)/kachery", log: .disabled)
  }

  /// Whether the file has come before.
  static func has(_ hash: ContentHash) -> Bool { ((try? RemoteCache().store.find(hash)) ?? nil) != nil }

  /// Where the file lies here; its bytes come from the daemon, which has it, unless they have come before.
  ///
  /// - Throws: `hashMismatch` where what the daemon sends is not the file.
  func path(of key: FileKey, from client: DaemonClient) throws(KacheryError) -> String {
    if let present = try store.find(key.hash) { return present.path }
    let writer = try store.beginStore()
    var failure: KacheryError?
    try client.download(["fileKey": key.json]) { bytes in
      do throws(KacheryError) { try writer.write(bytes) } catch { failure = error }
      return failure == nil
    }
    if let failure { throw failure }
    let receipt = try writer.finish()
    guard receipt.hash == key.hash else {
      throw KacheryError(
        .hashMismatch, "What the daemon sent as \(key.hash) has the hash \(receipt.hash); nothing of it was used.")
    }
    return store.path(of: key.hash)
  }
}
