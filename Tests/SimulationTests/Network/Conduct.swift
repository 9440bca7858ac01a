import Primitives
import TestSupport

/// How a node treats those that ask it for files.
enum Conduct: Hashable, CaseIterable {
  case honest
  /// It gives wrong bytes.
  case corrupts
  /// It says that it has the file and never gives a byte.
  case silent
  /// It gives a block and then nothing more.
  case stalls
  /// It says that the file is smaller than it is.
  case shrinks
  /// It says that the file is larger than it is.
  case inflates
  /// It names a manifest that does not describe the file.
  case misdescribes
  /// It says that it has the file and then that it has not.
  case refuses
  /// It says that it has some chunks, of which it then gives none, or chunks that the file cannot have.
  case boasts

  /// Whether what it says or gives is wrong, and not only missing.
  var isLying: Bool { [.corrupts, .shrinks, .inflates, .misdescribes].contains(self) }
}

extension SimNode {
  /// From now on it treats the file as `conduct` says.
  func spoil(_ hash: ContentHash, _ conduct: Conduct, _ random: inout SeededRandom) {
    self.conduct = conduct
    guard conduct == .misdescribes, let bytes = store.files[hash] else { return }
    let other = random.bytes(bytes.count)
    let manifest = MemoryStore.manifest(of: other, chunkSize: 1_000, claiming: hash)
    store.manifests[hash] = store.store(manifest.bytes).hash
  }
}
