import Files
package import Primitives

/// The result of making room.
package struct CollectReport: Hashable, Sendable {
  /// Files moved to the trash, and their bytes.
  package var removed = StoreUsage.Amount()
  /// Bytes freed on the disk by removing files for good.
  package var freed: UInt64 = 0
  /// Bytes of the files that remain stored.
  package var remaining: UInt64 = 0
  /// The limit that applied; nil if there is none.
  package var limit: UInt64?
  /// What is in the trash afterwards.
  package var trash = StoreUsage.Amount()
  /// For a preview, the files that would be moved to the trash, the first one first.
  package var files: [ListedFile] = []

  package init() {}

  /// Whether the store exceeds its limit although everything removable is gone.
  package var isOverLimit: Bool { limit.map { remaining > $0 } ?? false }
}

extension ContentStore {
  /// A client that was just given a file's path must have time to open it.
  package static let restingSeconds: Int64 = 600

  /// A file that may be removed.
  private struct Candidate {
    let file: ListedFile
    let score: Int64
  }

  /// Bytes added to this store since the process started; shows when the limit may be reached.
  package var bytesGrown: UInt64 { activity.bytesGrown }

  /// Enforces the limit of `kachery.yaml`: moves the least recently used files to the trash until a tenth of the limit
  /// is free, larger files sooner than smaller ones. It never moves a pinned file, one that is being read, or one that
  /// was used in the last ten minutes. The trash holds at most that tenth.
  ///
  /// - Parameters:
  ///   - emptyingTrash: whether to remove everything in the trash for good.
  ///   - isPreview: whether to report only what would be removed.
  ///   - now: in seconds since 1970.
  package func collect(
    emptyingTrash: Bool = false, isPreview: Bool = false, now: Int64 = FileSystem.now
  ) throws(KacheryError) -> CollectReport {
    var (report, candidates) = try candidates(now: now)
    if let limit = report.limit, report.remaining > limit {
      if isPreview {
        previewRoom(for: limit / 10 * 9, among: candidates, &report)
      } else {
        makeRoom(for: limit / 10 * 9, among: candidates, &report)
      }
    }
    let room = report.limit.map { $0 > report.remaining ? $0 - report.remaining : 0 }
    if isPreview {
      previewTrash(upTo: emptyingTrash ? 0 : room, &report)
    } else {
      report.freed += emptyingTrash ? emptyTrash() : room.map { trimTrash(to: $0) } ?? 0
      report.trash = trashed
    }
    return report
  }

  /// What is stored, and the files that may be removed, the first one first.
  func candidates(now: Int64) throws(KacheryError) -> (CollectReport, [ListedFile]) {
    var report = CollectReport()
    report.limit = try maximumBytes()
    var candidates: [Candidate] = []
    try list(withNames: false) { file in
      guard file.target == nil else { return true }
      report.remaining += file.size
      let age = now - file.lastUse
      guard report.limit != nil, !file.isPinned, age >= Self.restingSeconds else { return true }
      candidates.append(Candidate(file: file, score: Self.score(age: age, size: file.size)))
      return true
    }
    return (report, candidates.sorted { $0.score > $1.score }.map(\.file))
  }

  private func previewRoom(for target: UInt64, among candidates: [ListedFile], _ report: inout CollectReport) {
    for candidate in candidates where report.remaining > target {
      guard (try? requireRemovable(candidate.hash)) != nil else { continue }
      report.remaining -= candidate.size
      report.removed.add(candidate.size)
      var named = candidate
      named.names = index?.names(of: candidate.hash) ?? []
      report.files.append(named)
    }
  }

  private func previewTrash(upTo maximum: UInt64?, _ report: inout CollectReport) {
    let now = contents(of: layout.trash).sorted { $0.status.changedNanoseconds < $1.status.changedNanoseconds }
    var sizes = now.map(\.status.size)[...]
    sizes += report.files.map(\.size)
    for size in sizes { report.trash.add(size) }
    while let maximum, report.trash.bytes > maximum, let size = sizes.popFirst() {
      report.trash.bytes -= size
      report.trash.count -= 1
      report.freed += size
    }
  }

  private func makeRoom(for target: UInt64, among candidates: [ListedFile], _ report: inout CollectReport) {
    for candidate in candidates where report.remaining > target {
      do throws(KacheryError) { try remove(candidate.hash) } catch {
        log.debug("\(error.message)")
        continue
      }
      report.remaining -= candidate.size
      report.removed.add(candidate.size)
    }
    if report.removed.count > 0 {
      log.info("Moved \(report.removed.count) files (\(report.removed.bytes) bytes) to the trash to keep to the limit.")
    }
    if report.isOverLimit {
      log.warning(
        "\(layout.root) is over its limit: all other files in it are pinned, in use or were used just now.", .overLimit)
    }
  }

  /// Eviction score: the age in seconds, times one more than the number of halvings that bring the size below 64 KiB.
  private static func score(age: Int64, size: UInt64) -> Int64 {
    let halvings = UInt64.bitWidth - (size >> 16).leadingZeroBitCount
    return age.multipliedReportingOverflow(by: Int64(halvings) + 1).partialValue
  }
}
