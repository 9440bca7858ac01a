import APIModel
import ContentStore
import LocalAPI
import Primitives

/// The store, for clients.
extension Node {
  func linkFile(_ request: LinkRequest) async throws(KacheryError) -> StoreReply {
    note(
      try await loop.onPool { [store = storage.store] () throws(KacheryError) in
        try store.link(path: request.path) { size, modified in
          size == request.size && abs(modified - request.modified) <= 0.002
        }
      })
  }

  func listStore(after last: ContentHash?) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store = storage.store] () throws(KacheryError) in try store.page(after: last) }
  }

  func searchStore(
    _ text: String, skipping: UInt64, atMost limit: UInt64
  ) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store = storage.store] () throws(KacheryError) in
      try store.search(text, skipping: skipping, atMost: limit)
    }
  }

  func noteName(_ name: String, of hash: ContentHash) async {
    // A name that cannot be kept is not worth an error.
    _ = try? await loop.onPool { [index = storage.store.index] () throws(KacheryError) in
      index?.note(names: [(hash, name)])
    }
  }

  func storeUsage() async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store = storage.store] () throws(KacheryError) in try store.usage().json }
  }

  func removeFromStore(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store = storage.store] () throws(KacheryError) in store.removeAll(hashes) }
  }

  func previewRemoval(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store = storage.store] () throws(KacheryError) in store.previewRemoval(hashes) }
  }

  func setPinned(
    _ isPinned: Bool, _ hashes: [ContentHash], sparingFolders: Bool
  ) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store = storage.store] () throws(KacheryError) in
      try store.setPinned(isPinned, hashes, sparingFolders: sparingFolders)
    }
  }

  func collectStore(
    emptyingTrash: Bool, removingDamaged: Bool, isPreview: Bool
  ) async throws(KacheryError) -> JSONValue {
    try await loop.onPool { [store = storage.store] () throws(KacheryError) in
      try store.collect(emptyingTrash: emptyingTrash, removingDamaged: removingDamaged, isPreview: isPreview)
    }
  }

  func verifyStore(only: Set<ContentHash>?) -> AsyncThrowingStream<JSONValue, any Error> {
    maintenance.verify(only: only)
  }
}
