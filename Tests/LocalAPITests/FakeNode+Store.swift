import APIModel
import LocalAPI
import Primitives

/// Reports the requests that it received.
extension FakeNode {
  func listStore(after last: ContentHash?) async throws(KacheryError) -> JSONValue {
    ["files": [], "after": last.map { .string($0.hex) } ?? .null, "isComplete": true]
  }

  func searchStore(_ text: String, skipping: UInt64, atMost limit: UInt64) async throws(KacheryError) -> JSONValue {
    ["text": .string(text), "skip": .integer(Int64(skipping)), "limit": .integer(Int64(limit))]
  }

  func storeUsage() async throws(KacheryError) -> JSONValue { ["limit": .null] }

  func verifyStore(only: Set<ContentHash>?) -> AsyncThrowingStream<JSONValue, any Error> {
    AsyncThrowingStream { continuation in
      continuation.yield(["type": "finished", "only": only.map { .integer(Int64($0.count)) } ?? .null])
      continuation.finish()
    }
  }

  func removeFromStore(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    ["removed": .array(hashes.map { .string($0.hex) })]
  }

  func releaseFromStore(_ request: ReleaseRequest) -> AsyncThrowingStream<ReleaseEvent, any Error> {
    AsyncThrowingStream { continuation in
      for hash in request.hashes ?? [] {
        continuation.yield(.released(hash, bytes: request.isPreview ? 1 : 2, id, label: "other"))
      }
      continuation.yield(.finished)
      continuation.finish()
    }
  }

  func previewRemoval(_ hashes: [ContentHash]) async throws(KacheryError) -> JSONValue {
    ["preview": .array(hashes.map { .string($0.hex) })]
  }

  func setPinned(
    _ isPinned: Bool, _ hashes: [ContentHash], sparingFolders: Bool
  ) async throws(KacheryError) -> JSONValue {
    ["changed": .integer(Int64(hashes.count)), "isPinned": .bool(isPinned), "sparing": .bool(sparingFolders)]
  }

  func collectStore(
    emptyingTrash: Bool, removingDamaged: Bool, isPreview: Bool
  ) async throws(KacheryError) -> JSONValue {
    ["trash": .bool(emptyingTrash), "damaged": .bool(removingDamaged), "isPreview": .bool(isPreview)]
  }

  func noteName(_ name: String, of hash: ContentHash) async { names[hash] = name }
}
