import NodeCore
import Primitives
import TestSupport
import Wire

extension SimNode {
  func answer(for hash: ContentHash) -> FindAnswer.Outcome {
    guard let file = store.files[hash] else {
      guard let (plan, chunks) = store.share(hash), let manifest = plan.manifest else {
        return .refuses(absence)
      }
      return .has(FindAnswer.File(size: plan.size, manifest: manifest, chunks: chunks))
    }
    let size = UInt64(file.count)
    switch conduct {
    case .boasts:
      let chunks = ChunkSet(bytes: network.random.bytes(network.random.number(1...3)))
      let manifest = store.manifests[hash] ?? hash
      return .has(FindAnswer.File(size: size, manifest: manifest, chunks: chunks))
    case .shrinks: return .has(FindAnswer.File(size: size / 2, manifest: store.manifests[hash]))
    case .inflates:
      return .has(FindAnswer.File(size: 2 * size + 1, manifest: store.manifests[hash]))
    default: return .has(FindAnswer.File(size: size, manifest: store.manifests[hash]))
    }
  }
}
