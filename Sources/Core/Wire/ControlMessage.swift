package import Primitives

/// A message on a link's control stream.
package enum ControlMessage: Hashable, Sendable {
  /// First in each direction; never again.
  case hello(Hello)
  /// The channels that the sender has joined have changed: these proofs replace the earlier ones.
  case channels([ChannelProof])
  /// Records of the sender itself, or of nodes that serve a topic of the receiver's.
  case presence([PresenceRecord])
  /// Who on this channel has a file?
  case find(FindRequest)
  /// The answer to `find`.
  case found(FindAnswer)
  /// The sender is about to close the link, and why.
  case goodbye(Goodbye)
  /// What the receiver has asked for on a fetch or batch stream waits for its turn.
  case waiting(WaitingNotice)
  /// The sender has reset a fetch stream in the middle of a file, and why.
  case aborted(AbortNotice)
  /// The sender wants this number of lanes to the receiver, which it cannot dial; the receiver dials.
  case lanesWanted(UInt8)
}

/// Says why a fetch stream ended before all bytes of a range were sent: only the reset itself is seen on that stream.
package struct AbortNotice: Hashable, Sendable {
  /// The file that was being sent.
  package let hash: ContentHash
  package let reason: Refusal

  package init(hash: ContentHash, reason: Refusal) {
    self.hash = hash
    self.reason = reason
  }
}

/// Says that a request is not forgotten: its turn has yet to come, because other peers are served too or the sender keeps to
/// a rate.
package struct WaitingNotice: Hashable, Sendable {
  /// The file that was asked for; of a batch, the next one.
  package let hash: ContentHash
  /// Other peers that wait for their turns as well.
  package let others: UInt32

  package init(hash: ContentHash, others: UInt32) {
    self.hash = hash
    self.others = others
  }
}

/// Asks one peer, over one channel, whether it has a file.
package struct FindRequest: Hashable, Sendable {
  /// Chosen by the asker; the answer repeats it.
  package let id: UInt32
  package let topic: Topic
  package let hash: ContentHash
  /// Whether a node that has a large file without a manifest shall make one before it answers.
  package let wantsManifest: Bool

  package init(id: UInt32, topic: Topic, hash: ContentHash, wantsManifest: Bool = false) {
    self.id = id
    self.topic = topic
    self.hash = hash
    self.wantsManifest = wantsManifest
  }
}

/// Answers a `FindRequest`.
package struct FindAnswer: Hashable, Sendable {
  /// A file that is there and may be fetched, whole or as far as it has come.
  package struct File: Hashable, Sendable {
    /// Of the whole, in bytes.
    package let size: UInt64
    /// The file's manifest, where the answering node knows one.
    package let manifest: ContentHash?
    /// The chunks of that manifest which are there, while the node is loading the file itself; nil where all of it is.
    package let chunks: ChunkSet?

    /// A file that is there whole.
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

    /// Whether all of the file is there.
    package var isWhole: Bool { chunks == nil }
  }

  package let id: UInt32
  package let outcome: Outcome

  package init(id: UInt32, _ outcome: Outcome) {
    self.id = id
    self.outcome = outcome
  }

  /// What the node says.
  package enum Outcome: Hashable, Sendable {
    case has(File)
    case refuses(Refusal)
  }
}

/// Why a link ends, for the other side's user.
package struct Goodbye: Hashable, Sendable {
  /// Why a node ends a link in good order.
  package enum Code: UInt8, Sendable, CaseIterable {
    /// The node stops.
    case stopping = 1
    /// The two nodes have another link, which is kept.
    case duplicate = 2
    /// The two nodes speak different major versions.
    case version = 3
    /// The node has as many links as it will hold.
    case full = 4
    /// The other side broke the protocol.
    case violation = 5
    /// The two nodes share no channel, and neither is a bootstrap node.
    case noCommonChannel = 6
  }

  package let code: Code
  package let reason: String

  package init(_ code: Code, _ reason: String) {
    self.code = code
    self.reason = reason
  }
}
