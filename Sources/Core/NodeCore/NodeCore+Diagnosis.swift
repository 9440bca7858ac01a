import Discovery
package import Primitives
package import Transfer
import Wire

extension NodeCore {
  /// How long a record may travel from node to node.
  private static let transitTime: Duration = .seconds(60)

  /// Why a query for a file that is not stored has no result, from what is known so far. Asks no other node.
  ///
  /// - Parameter room: bytes available on the disk; nil if unknown.
  package func diagnose(_ query: FileQuery, room: UInt64? = nil, at now: Timestamps) -> Diagnosis {
    LoadDiagnosis(self, query, room: room, at: now).diagnosis
  }

  /// The progress of a running load of this file; nil if there is none.
  package func progress(of hash: ContentHash, at now: Timestamps) -> LoadProgress? {
    transferEngine.progress(of: hash, at: now.instant)
  }

  /// The error for a failed load: the reason, and what to do about it.
  func explain(_ failure: TransferFailure, of query: FileQuery, at now: Timestamps) -> KacheryError {
    let load = LoadDiagnosis(self, query, room: nil, at: now)
    switch failure {
    case .noSource:
      return load.diagnosis.error
        ?? KacheryError(.notFound, "A node that has the file appeared after the search had ended; try again.")
    case .lostSources(let loaded, let total, let last): return load.explainLoss(of: last, loaded, total)
    case .corruptSources(let offenders):
      let names = Set(offenders).sorted().map { name(of: $0) }.joined(separator: ", ")
      return KacheryError(
        .hashMismatch,
        "A damaged copy of the file is on \(names): its bytes do not have the hash that was asked for. Nothing was "
          + "kept. Ask the node's owner to store the file again, or load it from another node.")
    case .falseManifest(let manifest):
      return KacheryError(
        .badManifest,
        "The manifest \(manifest) does not describe this file. Load the URI without its manifest, or ask its author "
          + "for the right one.")
    case .storage(let error): return error
    }
  }

  /// A node's name for people.
  package func name(of node: NodeID) -> String {
    let stated = peers.peer(of: node)?.hello?.label ?? ""
    let label = stated.isEmpty ? membership.label(of: node) : stated
    return label.isEmpty ? "node \(node.short)" : "node \(node.short) ('\(label)')"
  }

  // MARK: Clocks

  /// A node's own records show its clock. A relayed record indicates a wrong clock if it is too new, or older than
  /// possible.
  mutating func recordTime(of record: PresenceRecord, from peer: NodeID, at now: Timestamps) {
    let offset = Self.clockOffset(record.issued, of: now.wall)
    guard record.node != peer else { return reputation.recordClock(of: peer, offset: offset) }
    let life = max(PresenceTable.clockTolerance, Self.announcementLife).components.seconds
    guard offset.magnitude > UInt64(life) + UInt64(Self.transitTime.components.seconds) else {
      if !peers.isLinked(record.node) { reputation.forgetClock(of: record.node) }
      return
    }
    guard record.node.verify(signature: record.signature, of: record.signedBytes) else { return }
    reputation.recordClock(of: record.node, offset: offset)
  }

  static func clockOffset(_ clock: WallTime, of own: WallTime) -> Int64 {
    let (seconds, ownSeconds) = (clock.milliseconds / 1_000, own.milliseconds / 1_000)
    return Int64(clamping: seconds).subtractingReportingOverflow(Int64(clamping: ownSeconds)).partialValue
  }
}

extension LoadDiagnosis {
  /// Why a load that had a source failed.
  fileprivate func explainLoss(of node: NodeID, _ loaded: UInt64, _ total: UInt64) -> KacheryError {
    let verified = "\(loaded) of \(total) bytes are verified"
    switch history.losses[node] {
    case .refused, .misbehaved, .silent:
      let diagnosis = diagnosis(ofLoss: node)
      let advice = diagnosis.code.flatMap { ErrorExplanation.of($0)?.remedy } ?? ""
      return KacheryError(
        diagnosis.code ?? .disconnected,
        "\(diagnosis.summary) \(verified.prefix(1).uppercased() + verified.dropFirst()). \(advice)")
    case .disconnected, nil:
      return KacheryError(
        .disconnected,
        "The link to \(name(node)), which had the file, was lost with \(loaded) of \(total) bytes verified, and no other "
          + "online node has it; try again when that node is back.")
    }
  }
}
