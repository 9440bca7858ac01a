import Feeds
import Primitives

@testable import NodeCore
@testable import Transfer

extension SimNode {
  /// Entries of its core and its store that remain when no client wants anything.
  var leftovers: [String] {
    let engine = core.transferEngine
    let counts = [
      "open downloads": store.openDownloads, "retrievals": engine.retrievals.count,
      "loads": engine.retrievalOfLoad.count, "searches": engine.searches.inOrder.count,
      "fetches": engine.out.downloadOfFetch.count, "downloads": engine.out.retrievalOfDownload.count,
      "lookups": core.lookups.count, "feed entries": core.feedEngine.openEntries,
    ]
    return counts.filter { $0.value != 0 }.map { "\($0.value) \($0.key)" }.sorted()
  }
}
