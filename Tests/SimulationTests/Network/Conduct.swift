import Primitives
import TestSupport

/// How a node treats nodes that request files from it.
enum Conduct: Hashable, CaseIterable {
  case honest
  /// Sends wrong bytes.
  case corrupts
  /// Claims to have the file and never sends a byte.
  case silent
  /// Sends a block and then nothing more.
  case stalls
  /// Claims that the file is smaller than it is.
  case shrinks
  /// Claims that the file is larger than it is.
  case inflates
  /// Names a manifest that does not describe the file.
  case misdescribes
  /// Claims to have the file and then denies it.
  case refuses
  /// Claims to have some chunks and then sends none of them, or chunks that the file cannot have.
  case boasts

  /// Whether its claims or bytes are wrong, and not only missing.
  var isLying: Bool { [.corrupts, .shrinks, .inflates, .misdescribes].contains(self) }
}

extension SimNode {
  /// Makes the node treat the file according to `conduct` from now on.
  func spoil(_ hash: ContentHash, _ conduct: Conduct, _ random: inout SeededRandom) {
    self.conduct = conduct
    guard conduct == .misdescribes, let bytes = store.files[hash] else { return }
    let other = random.bytes(bytes.count)
    let manifest = MemoryStore.manifest(of: other, chunkSize: 1_000, claiming: hash)
    store.manifests[hash] = store.store(manifest.bytes).hash
  }
}
