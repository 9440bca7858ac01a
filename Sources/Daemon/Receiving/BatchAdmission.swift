import ContentStore
import EventLoop
import Files
import Primitives

/// A small file received from a node, with its index in the batch.
struct ArrivedFile {
  let index: Int
  let node: NodeID
  /// The number of the stream on which it came.
  let stream: Int
  let file: SmallFile
}

/// Has the pool check small files and put them to the disk, a group at a time. Bound to the loop.
final class BatchAdmission {
  /// Files admitted in one go, unless their bytes are too many before: they wait for the disk together, all of them open.
  private static let groupFiles = min(256, max(1, FileSystem.raiseDescriptorLimit() / 8))
  private static let groupBytes = 4 << 20
  /// Groups that the pool processes concurrently: one of its four threads stays free for other work.
  private static let maximumGroups = 3

  /// Called when a group has been processed, with each file's path, `hashMismatch`, or a local error.
  var onAdmitted: (([(ArrivedFile, Result<String, KacheryError>)]) -> Void)?
  private let store: ContentStore
  private let loop: EventLoop
  private var arrived: [ArrivedFile] = []
  private var arrivedBytes = 0
  private var groups = 0

  init(store: ContentStore, loop: EventLoop) {
    self.store = store
    self.loop = loop
  }

  /// Adds a file; `onAdmitted` reports it unless `close` is called first.
  func take(_ file: ArrivedFile) {
    arrived.append(file)
    arrivedBytes += file.file.bytes.count
    advance()
  }

  /// Lets go of what has not been put to the disk. Idempotent.
  func close() {
    onAdmitted = nil
    arrived = []
  }

  /// Has the pool admit received files: a full group, or fewer if the pool is idle.
  private func advance() {
    while !arrived.isEmpty, groups < Self.maximumGroups {
      let isFull = arrived.count >= Self.groupFiles || arrivedBytes >= Self.groupBytes
      guard isFull || groups == 0 else { return }
      let group = arrived.prefix(Self.groupFiles)
      arrived.removeFirst(group.count)
      arrivedBytes -= group.reduce(0) { $0 + $1.file.bytes.count }
      admit(Array(group))
    }
  }

  private func admit(_ group: [ArrivedFile]) {
    groups += 1
    loop.work { [store] in
      store.admit(group.map(\.file))
    } then: { outcomes in
      self.groups -= 1
      self.onAdmitted?(Array(zip(group, outcomes)))
      self.advance()
    }
  }
}
