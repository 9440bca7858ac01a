import APIModel
import LocalAPI
import Primitives

/// A file whose hash begins with `ee` is on no node; any other is available.
extension FakeNode {
  func loadFiles(_ request: BatchLoadRequest) -> AsyncThrowingStream<[BatchLoadEvent], any Error> {
    AsyncThrowingStream { continuation in
      var failed = 0
      for (index, key) in request.keys.enumerated() {
        if key.hash.bytes.first == 0xee {
          failed += 1
          continuation.yield([.failed(index: index, KacheryError(.notFound, "No node has it."))])
        } else {
          continuation.yield([.loaded(index: index, path: "/data/file")])
        }
      }
      continuation.yield([.finished(loaded: request.keys.count - failed, failed: failed)])
      continuation.finish()
    }
  }
}
