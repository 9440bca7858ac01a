import Files
package import Primitives

/// What making room has done.
package struct CollectReport: Hashable, Sendable {
  /// Files that were moved to the trash, and their bytes.
  package var removed = StoreUsage.Amount()
  /// Bytes that removing files for good has freed on the disk.
  package var freed: UInt64 = 0
  /// Bytes that the stored files still have.
  package var remaining: UInt64 = 0
  /// The limit that was kept to; nil if there is none.
  package var limit: UInt64?

  package init() {}

  /// Whether everything that may be removed is not enough for the limit.
  package var isOverLimit: Bool { limit.map { remaining > $0 } ?? false }
}

extension ContentStore {
  /// A file that somebody was just given the path of must not vanish before it is opened.
  package static let restingSeconds: Int64 = 600

  /// A file that might be removed.
  private struct Candidate {
    let hash: ContentHash
    let size: UInt64
    let score: Int64
  }

  /// The bytes that have come into this store since the process began, to tell when the limit may be reached.
  package var bytesGrown: UInt64 { activity.bytesGrown }

  /// Keeps to the limit of `kachery.yaml`: the least recently used files go to the trash until a tenth of the limit is
  /// free, smaller ones later than larger ones; never a pinned one, one that is read now, or one used in the last ten
  /// minutes. The trash fills that tenth at most.
  ///
  /// - Parameters:
  ///   - emptyingTrash: whether to remove for good all that lies in the trash.
  ///   - now: in seconds since 1970.
  package func collect(
    emptyingTrash: Bool = false, now: Int64 = FileSystem.now
  ) throws(KacheryError) -> CollectReport {
    var report = CollectReport()
    report.limit = try settings().maximumBytes
    var candidates: [Candidate] = []
    try list { file in
      guard file.target == nil else { return true }
      report.remaining += file.size
      let age = now - file.lastUse
      guard report.limit != nil, !file.isPinned, age >= Self.restingSeconds else { return true }
      candidates.append(Candidate(hash: file.hash, size: file.size, score: Self.score(age: age, size: file.size)))
      return true
    }
    if let limit = report.limit, report.remaining > limit {
      makeRoom(for: limit / 10 * 9, among: candidates.sorted { $0.score > $1.score }, &report)
    }
    if emptyingTrash {
      report.freed += emptyTrash()
    } else if let limit = report.limit {
      report.freed += trimTrash(to: limit > report.remaining ? limit - report.remaining : 0)
    }
    return report
  }

  private func makeRoom(for target: UInt64, among candidates: [Candidate], _ report: inout CollectReport) {
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
      log.warning("\(layout.root) is over its limit: everything else in it is pinned, in use or was used just now.")
    }
  }

  /// How much a file asks to be removed: its age in seconds, as often as its size can be halved down to 64 KiB.
  private static func score(age: Int64, size: UInt64) -> Int64 {
    let halvings = UInt64.bitWidth - (size >> 16).leadingZeroBitCount
    return age.multipliedReportingOverflow(by: Int64(halvings) + 1).partialValue
  }
}
