package import Primitives

/// Asks a member that relays files for others to keep a copy of a file, over one channel.
package struct ReplicaRequest: Hashable, Sendable {
  /// Chosen by the sender; the answers repeat it.
  package let id: UInt32
  /// The sender's proof for the channel.
  package let channel: ChannelProof
  package let hash: ContentHash
  /// Size of the file, in bytes. The receiver keeps no larger one.
  package let size: UInt64

  package init(id: UInt32, channel: ChannelProof, hash: ContentHash, size: UInt64) {
    self.id = id
    self.channel = channel
    self.hash = hash
    self.size = size
  }
}

/// Answers a `ReplicaRequest`: once, or twice if the first one is `loading`.
package struct ReplicaAnswer: Hashable, Sendable {
  /// What becomes of the copy. A value of a later version is malformed, because it may mean anything.
  package enum State: UInt8, Sendable, CaseIterable {
    /// The node has the file, and keeps it.
    case kept = 1
    /// The node is loading the file. Another answer follows.
    case loading = 2
    /// The node keeps nothing for the sender over this channel.
    case notAuthorized = 3
    /// The node's owner keeps no copies for members.
    case off = 4
    /// The owner's limit does not allow a file of this size now.
    case noRoom = 5
    /// The file could not be loaded.
    case failed = 6
  }

  package let id: UInt32
  package let state: State
  /// More about it, for people; may be empty. What is too long is cut when it is sent.
  package let reason: String

  package init(id: UInt32, _ state: State, _ reason: String = "") {
    self.id = id
    self.state = state
    self.reason = reason
  }
}

extension ByteWriter {
  mutating func write(_ request: ReplicaRequest) {
    integer(request.id)
    fixed(request.channel)
    fixed(request.hash)
    integer(request.size)
  }

  mutating func write(_ answer: ReplicaAnswer) {
    integer(answer.id)
    integer(answer.state.rawValue)
    text(String(decoding: answer.reason.utf8.prefix(WireLimits.reason - 3), as: UTF8.self))
  }
}

extension ByteReader {
  mutating func replicaRequest() throws(ByteReaderError) -> ReplicaRequest {
    let request = ReplicaRequest(id: try integer(), channel: try fixed(), hash: try fixed(), size: try integer())
    guard request.size <= Limits.maximumFileSize else { throw .malformed }
    return request
  }

  mutating func replicaAnswer() throws(ByteReaderError) -> ReplicaAnswer {
    let id = try integer(UInt32.self)
    guard let state = ReplicaAnswer.State(rawValue: try byte()) else { throw .malformed }
    return ReplicaAnswer(id: id, state, try text(limit: WireLimits.reason))
  }
}
