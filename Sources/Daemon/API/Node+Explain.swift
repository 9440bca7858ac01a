import APIModel
import ContentStore
import Files
import LocalAPI
import Primitives
import Transfer

extension Node {
  /// How long to wait for other nodes' answers before reporting.
  private static let explainTime: Duration = .seconds(4)

  func explain(_ uri: String) async throws(KacheryError) -> Diagnosis {
    let key: FileKey
    do throws(KacheryError) {
      switch try ContentURI(parsing: uri) {
      case .file(let uri): key = uri.key
      case .folder(let uri): key = uri.document
      }
    } catch {
      return Diagnosis(error)
    }
    let local = try await localEvidence(of: key)
    if let here = local.here { return here }
    // A running load already asks other nodes, and without a channel there are none to ask.
    let isLoading = driver.read { [now = driver.now] in $0.progress(of: key.hash, at: now) } != nil
    if !isLoading, !channels.list.isEmpty {
      for await _ in findFile(FindFileRequest(key: key, timeout: Self.explainTime)) {}
    }
    let now = driver.now
    var diagnosis = driver.read { $0.diagnose(FileQuery(key: key), room: local.room, at: now) }
    diagnosis.evidence += local.lines
    return diagnosis
  }

  private struct LocalEvidence {
    /// The diagnosis, if the file is here.
    var here: Diagnosis?
    var room: UInt64?
    var lines: [String] = []
  }

  /// The evidence on this node's disk.
  private func localEvidence(of key: FileKey) async throws(KacheryError) -> LocalEvidence {
    let directory = configuration.storageDirectory
    return try await loop.onPool { [store = storage.store] () throws(KacheryError) in
      var altered: KacheryError?
      var found: StoredFile?
      do throws(KacheryError) { found = try store.find(key.hash) } catch {
        guard error.code == .hashMismatch || error.code == .fileChanged else { throw error }
        altered = error
      }
      if let file = found {
        let place = "its path is \(file.path)\(file.isLink ? " (linked)" : "")"
        return LocalEvidence(
          here: Diagnosis(
            nil, "The file is on this node.", evidence: ["\(place); \(Quantity.bytes(Double(file.size)))"]))
      }
      var evidence = LocalEvidence(room: try? FileSystem.availableBytes(at: directory))
      if let altered { evidence.lines.append(altered.message) }
      if let target = store.brokenLinkTarget(key.hash) {
        evidence.lines.append("it was linked here to \(target), which has since changed or gone")
      }
      if store.hasSetAside(key.hash) { evidence.lines.append("a damaged copy of it was set aside here") }
      if let room = evidence.room {
        evidence.lines.append("room on the disk of this node's storage: \(Quantity.bytes(Double(room)))")
      }
      return evidence
    }
  }
}
