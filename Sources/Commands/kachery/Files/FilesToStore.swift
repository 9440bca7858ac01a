import APIModel
import Files
import Primitives

/// Files to store. Small ones are stored several at a time, because each waits for the disk when it ends.
struct FilesToStore {
  /// Larger files keep the disk busy by themselves, and are stored one by one.
  private static let smallSize: UInt64 = 1 << 20
  /// Files per group; results are reported after each group.
  private static let groupSize = 64

  let storage: Storage
  let isQuiet: Bool
  /// The name of the file at a path, for people.
  let name: @Sendable (String) -> String

  /// The paths in order, in groups that are stored together.
  static func groups(of paths: [String]) -> [[String]] {
    var groups: [[String]] = []
    var isOpen = false
    for path in paths {
      let isSmall = isSmall(path)
      if isSmall, isOpen, let last = groups.indices.last, groups[last].count < groupSize {
        groups[last].append(path)
      } else {
        groups.append([path])
      }
      isOpen = isSmall
    }
    return groups
  }

  func store(_ group: [String]) -> [Result<StoreReply, KacheryError>] {
    if let path = group.first, group.count == 1 {
      return [
        Result { () throws(KacheryError) in
          try FileToStore(path: path, name: name(path)).store(in: storage, isQuiet: isQuiet)
        }
      ]
    }
    return ParallelWork.map(group) { [storage, name] path in
      Result { () throws(KacheryError) in
        try FileToStore(path: path, name: name(path)).store(in: storage, isQuiet: true)
      }
    }
  }

  private static func isSmall(_ path: String) -> Bool {
    guard let status = (try? FileSystem.statusIfPresent(path)) ?? nil else { return false }
    return status.kind == .regular && status.size <= smallSize
  }
}
