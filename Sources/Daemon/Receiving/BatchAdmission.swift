import ContentStore
import EventLoop
import Files
import Primitives

/// A small file that has come from a node, with the index that a batch has for it.
struct ArrivedFile {
  let index: Int
  let node: NodeID
  let file: SmallFile
}

/// Has the pool check small files and put them to the disk, a group at a time. Bound to the loop.
final class BatchAdmission {
  /// Files admitted in one go, unless their bytes are too many before: they wait for the disk together, all of them open.
  private static let groupFiles = min(256, max(1, FileSystem.raiseDescriptorLimit() / 8))
  private static let groupBytes = 4 << 20
  /// Groups that the pool works on, or has wait for the disk, at once: one of its four threads stays free for others.
  private static let maximumGroups = 3

  /// A group has been dealt with: where each file is, `hashMismatch`, or what went wrong here.
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

  /// Takes a file; `onAdmitted` tells of it unless `close` comes before.
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

  /// Has the pool admit what has come: a full group, or whatever there is if it has nothing else to do.
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
