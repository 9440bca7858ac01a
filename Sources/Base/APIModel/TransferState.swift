package import Primitives

/// A transfer between nodes that is underway, in the event `transfers` of `/v1/events`.
package struct TransferState: Hashable, Sendable {
  /// What is transferred, and in which direction.
  package enum Kind: String, CaseIterable, Hashable, Sendable {
    /// One file that a client loads.
    case load
    /// Many files that a client loads in one request.
    case batch
    /// A file that another node gets from this one.
    case upload
    /// Many small files that another node gets from this one.
    case uploads
  }

  package var kind: Kind
  /// Distinguishes it from other transfers of its kind, also from later ones.
  package var number: String
  /// The file; nil if there are many.
  package var hash: ContentHash?
  /// The file's name, if the client stated one.
  package var name: String?
  /// Bytes that have arrived, or were sent.
  package var bytes: UInt64 = 0
  /// The size of the file; nil if it is not known.
  package var bytesTotal: UInt64?
  /// How many files have loaded or failed, and how many there are; nil unless there are many.
  package var files: (ended: Int, total: Int)? {
    get { filesEnded.flatMap { ended in filesTotal.map { (ended, $0) } } }
    set { (filesEnded, filesTotal) = (newValue?.ended, newValue?.total) }
  }
  private var filesEnded: Int?
  private var filesTotal: Int?
  /// The nodes that sent the latest bytes, or the one that gets them.
  package var nodes: [NodeID] = []
  /// The node that serves others first, while nothing arrives because of that.
  package var waitsFor: NodeID?

  package init(_ kind: Kind, number: String) {
    self.kind = kind
    self.number = number
  }

  /// Its key among all transfers.
  package var id: String { "\(kind.rawValue)-\(number)" }

  /// - Parameter rate: bytes a second, in the last few seconds.
  package func json(rate: Double) -> JSONValue {
    [
      "id": .string(id), "kind": .string(kind.rawValue), "sha1": hash.map { .string($0.hex) } ?? .null,
      "name": name.map { .string($0) } ?? .null, "bytes": .integer(Int64(clamping: bytes)),
      "bytesTotal": bytesTotal.map { .integer(Int64(clamping: $0)) } ?? .null,
      "bytesPerSecond": .integer(Int64(rate.rounded())),
      "filesEnded": filesEnded.map { .integer(Int64($0)) } ?? .null,
      "filesTotal": filesTotal.map { .integer(Int64($0)) } ?? .null,
      "nodeIds": .array(nodes.map { .string($0.hex) }),
      "waitsForNodeId": waitsFor.map { .string($0.hex) } ?? .null,
    ]
  }
}
