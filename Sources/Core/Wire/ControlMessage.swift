package import Primitives

/// A message on a link's control stream.
package enum ControlMessage: Hashable, Sendable {
  /// The first message in each direction; never repeated.
  case hello(Hello)
  /// The channels that the sender has joined have changed: these proofs replace the earlier ones.
  case channels([ChannelProof])
  /// The topics of the sender's channels, which replace the earlier ones. Sent to bootstrap nodes only.
  case topics([Topic])
  /// The channels for whose members the sender relays, although it is no bootstrap node. They replace the earlier ones.
  case relaying([RelayOffer])
  /// Records of the sender itself, or of nodes that serve one of the receiver's topics.
  case presence([PresenceRecord])
  /// Which nodes on this channel have a file?
  case find(FindRequest)
  /// The answer to `find`.
  case found(FindAnswer)
  /// The sender is about to close the link, with a reason.
  case goodbye(Goodbye)
  /// The receiver's request on a fetch or batch stream waits for its turn.
  case waiting(WaitingNotice)
  /// The sender has reset a fetch stream in the middle of a file, with a reason.
  case aborted(AbortNotice)
  /// The sender asks the receiver to dial this number of lanes, because it cannot dial the receiver itself.
  case lanesWanted(UInt8)
  /// Of the links between the two nodes, the sender uses the one with this number: the first 8 bytes of its binding.
  case prefer(UInt64)
  /// The sender wants to connect directly, and may be reached there.
  case reach(Reach)
  /// The candidates for a further attempt to connect directly.
  case punch(Punch)
  /// The attempt begins: the receiver dials immediately, the sender half a round trip later.
  case punchStart(PunchStart)
  /// The session has ended.
  case punchEnd(PunchEnd)
  /// Does the receiver still run? Another process has proved the same identity. The answer repeats the number.
  case identityQuery(UInt64)
  case identityAnswer(UInt64)
  /// The sender has refused a link to another running process that has the receiver's identity; where that process was
  /// seen, for people.
  case identityCopy(String)
  /// Keep a copy of a file, so that members can load it when the sender is off.
  case replicate(ReplicaRequest)
  /// An answer to `replicate`.
  case replicated(ReplicaAnswer)
}

/// Explains why a fetch stream ended before all bytes of a range were sent: the stream itself shows only the reset.
package struct AbortNotice: Hashable, Sendable {
  /// The file that was being sent.
  package let hash: ContentHash
  package let reason: Refusal

  package init(hash: ContentHash, reason: Refusal) {
    self.hash = hash
    self.reason = reason
  }
}

/// Reports that a request is not forgotten: it waits for its turn, because other peers are served too or the sender
/// limits its rate.
package struct WaitingNotice: Hashable, Sendable {
  /// The requested file; for a batch, the next one.
  package let hash: ContentHash
  /// Other peers that wait for their turns as well.
  package let others: UInt32

  package init(hash: ContentHash, others: UInt32) {
    self.hash = hash
    self.others = others
  }
}

/// Asks a peer, over one channel, whether it has a file.
package struct FindRequest: Hashable, Sendable {
  /// Chosen by the sender; the answer repeats it.
  package let id: UInt32
  /// The sender's proof for the channel.
  package let channel: ChannelProof
  package let hash: ContentHash
  /// Whether a node that has a large file without a manifest should create one before it answers.
  package let wantsManifest: Bool

  package init(id: UInt32, channel: ChannelProof, hash: ContentHash, wantsManifest: Bool = false) {
    self.id = id
    self.channel = channel
    self.hash = hash
    self.wantsManifest = wantsManifest
  }
}

/// Answers a `FindRequest`.
package struct FindAnswer: Hashable, Sendable {
  /// A file that is available, whole or in part.
  package struct File: Hashable, Sendable {
    /// Size of the whole file, in bytes.
    package let size: UInt64
    /// The file's manifest, if the answering node knows one.
    package let manifest: ContentHash?
    /// The available chunks of that manifest, if the node is loading the file itself; nil if it has the whole file.
    package let chunks: ChunkSet?

    /// A file that is available as a whole.
    package init(size: UInt64, manifest: ContentHash? = nil) {
      self.size = size
      self.manifest = manifest
      chunks = nil
    }

    /// A file that is still arriving.
    package init(size: UInt64, manifest: ContentHash, chunks: ChunkSet) {
      self.size = size
      self.manifest = manifest
      self.chunks = chunks
    }

    /// Whether the whole file is available.
    package var isWhole: Bool { chunks == nil }
  }

  package let id: UInt32
  package let outcome: Outcome

  package init(id: UInt32, _ outcome: Outcome) {
    self.id = id
    self.outcome = outcome
  }

  /// The answer itself.
  package enum Outcome: Hashable, Sendable {
    case has(File)
    case refuses(Refusal)
  }
}

/// Why a link ends, for the other side's user.
package struct Goodbye: Hashable, Sendable {
  /// Why a node ends a link deliberately.
  package enum Code: UInt8, Sendable, CaseIterable {
    /// The node is stopping.
    case stopping = 1
    /// The two nodes have another link, which is kept.
    case duplicate = 2
    /// The two nodes have different major versions.
    case version = 3
    /// The node has its maximum number of links.
    case full = 4
    /// The other side violated the protocol.
    case violation = 5
    /// The two nodes share no channel, and neither is a bootstrap node.
    case noCommonChannel = 6
    /// Another running process with the same identity is linked to the node.
    case copy = 7
    /// The bootstrap node introduces only certain nodes, and not the receiver.
    case notIntroduced = 8
  }

  package let code: Code
  package let reason: String

  package init(_ code: Code, _ reason: String) {
    self.code = code
    self.reason = reason
  }
}
