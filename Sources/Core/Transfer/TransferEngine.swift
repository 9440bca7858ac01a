package import Primitives
package import Wire

/// Finds the nodes that have a file, fetches its pieces from them and has each verified, for any number of files and
/// clients. It sends the questions; a `Retrieval` per file decides about the answers.
///
/// It moves no bytes and has no clock: inputs are its methods, `nextEffect` returns the effects, and `wakeAt` is when
/// to call `wake`.
package struct TransferEngine: Sendable {
  /// How long peers may take to say whether they have a file to be loaded.
  package static let searchTime: Duration = .seconds(10)
  /// How long a search waits for a peer to appear while there is none to ask.
  package static let peerGrace: Duration = .seconds(3)
  /// How long a source whose link broke may take to return: as long as a daemon or a machine's network needs to
  /// restart.
  package static let returnTime: Duration = .seconds(15)
  /// How long a source may send nothing before it is dropped.
  package static let silence: Duration = .seconds(20)
  /// Pieces requested from one node concurrently: while one arrives, the request for the next is already there.
  package static let piecesAhead = 2
  /// The same for a source with idle lanes.
  package static let mostPiecesAhead = 6
  /// How often to check whether an idle source should fetch a piece that another one is late with.
  static let slownessCheck: Duration = .milliseconds(250)
  /// How many times others may be faster than a source that has not sent a piece yet, until it is dropped.
  static let maximumOvertaken = 3
  /// How long no source may have anything that is missing before the load fails.
  package static let starvation: Duration = .seconds(60)

  var searches = SearchTable()
  var retrievals: [ContentHash: Retrieval] = [:]
  /// The files that each node is a source of.
  var sourceIndex = SourceIndex()
  /// When each retrieval wants to be woken.
  var deadlines = Deadlines<ContentHash>()
  var retrievalOfLoad: [LoadID: ContentHash] = [:]
  var out: TransferOutbox
  /// Whether a peer may soon appear: a dial is running or a hello is outstanding. Maintained by the owner.
  package var expectsPeers = false
  /// Whether a node that was never out of reach is being dialed, or is about to say hello. Maintained by the owner.
  package var meetsPeer = false
  /// The joined channels, without which no peer can appear; nil until they are known. Maintained by the owner.
  package var topics: Set<Topic>?
  private var lastQuestion: UInt32 = 0

  /// Files of more than `manifestThreshold` bytes are fetched in the chunks of their manifest.
  package init(manifestThreshold: UInt64 = Limits.manifestThreshold, node: NodeID? = nil) {
    out = TransferOutbox(manifestThreshold: manifestThreshold, node: node)
  }

  /// Removes and returns the next effect; nil if there are no more until the next input.
  package mutating func nextEffect() -> TransferEffect? { out.effects.next() }

  mutating func emit(_ effect: TransferEffect) { out.emit(effect) }

  mutating func newQuestion() -> UInt32 {
    lastQuestion &+= 1
    return lastQuestion
  }

  // MARK: Clients

  /// A client searches for a file. Each node that has it is reported as it answers.
  package mutating func find(_ id: FindID, _ query: FileQuery, for duration: Duration, at now: Instant) {
    ask(.find(id), query, for: duration, grace: min(duration, Self.peerGrace), isAfterLoss: false, at: now)
  }

  /// The client no longer wants to know.
  package mutating func stopFind(_ id: FindID) {
    searches.removeAll(of: .find(id))
  }

  /// A client wants a file that is not stored. A running retrieval of it serves this client as well.
  package mutating func load(_ id: LoadID, _ query: FileQuery, at now: Instant) {
    retrievalOfLoad[id] = query.key.hash
    join(query, .load(id), isManifest: false, at: now)
  }

  /// The client no longer waits. The retrieval ends when no client does.
  package mutating func cancel(_ id: LoadID) {
    guard let hash = retrievalOfLoad.removeValue(forKey: id) else { return }
    leave(hash, .load(id))
  }

  // MARK: The store and the sources

  /// The store's answer about the manifest; nil if it is not stored.
  package mutating func manifestRead(_ id: DownloadID, _ manifest: Manifest?, at now: Instant) {
    guard let hash = out.retrievalOfDownload[id], let name = retrievals[hash]?.attempts.table[id]?.manifest else {
      return
    }
    let isCircle = name == hash || waits(name, for: hash)
    changeAttempts(hash, at: now) { $0.manifestRead(id, manifest, isCircle: isCircle, &$1, at: now) }
  }

  /// The store is ready to receive the file; these pieces are stored already, verified.
  package mutating func prepared(_ id: DownloadID, verified: PieceSet = [], at now: Instant) {
    changeAttempts(of: id, at: now) { $0.prepared(id, verified: verified, &$1, at: now) }
  }

  /// A local failure: the store could not be prepared, or similar.
  package mutating func storageFailed(_ id: DownloadID, _ error: KacheryError, at now: Instant) {
    changeAttempts(of: id, at: now) { $0.storageFailed(id, error, &$1, at: now) }
  }

  /// Bytes of a piece have arrived: now `received` of its first bytes.
  package mutating func received(_ fetch: FetchID, _ received: UInt64, at now: Instant) {
    guard let id = out.downloadOfFetch[fetch] else { return }
    change(id, at: now) { $0.received(fetch, of: id, received, &$1, at: now) }
  }

  /// The lanes to a source are idle.
  package mutating func hasRoom(_ id: DownloadID, at node: NodeID, at now: Instant) {
    changeAttempts(of: id, at: now) { attempts, out in attempts.change(id) { $0.hasRoom(node, &out, at: now) } }
  }

  /// The fetch of a piece has ended.
  package mutating func fetched(_ fetch: FetchID, _ outcome: FetchOutcome, at now: Instant) {
    guard let id = out.downloadOfFetch[fetch] else { return }
    change(id, at: now) { $0.fetched(fetch, of: id, outcome, &$1, at: now) }
  }

  /// The whole file was checked: it was admitted, or does not have its hash.
  package mutating func completed(_ id: DownloadID, _ outcome: CompletionOutcome, at now: Instant) {
    changeAttempts(of: id, at: now) { $0.completed(id, outcome, &$1, at: now) }
  }

  /// A node reports that its request for this file waits for its turn there, as do `others` other peers.
  package mutating func waits(for hash: ContentHash, at node: NodeID, others: UInt32, at now: Instant) {
    for file in sourceIndex.files(of: node) {
      change(file, at: now) { $0.waits(for: hash, at: node, others: others, &$1, at: now) }
    }
  }

  /// A source has stopped in the middle of a piece of this file, with a reason.
  package mutating func aborted(_ hash: ContentHash, by node: NodeID, _ reason: Refusal, at now: Instant) {
    for file in sourceIndex.files(of: node) {
      change(file, at: now) { $0.aborted(hash, by: node, reason, &$1, at: now) }
    }
  }

  /// A peer with permission wants this file: if it is being loaded here, the peer may be loading it as well.
  package mutating func wanted(_ hash: ContentHash, by peer: NodeID, at now: Instant) {
    change(hash, at: now) { retrieval, _ in retrieval.wanted(by: peer) }
  }

  /// Removes sources from every retrieval for which they may no longer be asked, because a membership was withdrawn on
  /// either side.
  ///
  /// - Parameter permissions: the topics over which each node may be asked.
  package mutating func withdraw(except permissions: [(node: NodeID, topics: Set<Topic>)], at now: Instant) {
    var withdrawn: [(hash: ContentHash, node: NodeID)] = []
    for (node, topics) in permissions {
      for hash in sourceIndex.files(of: node) {
        guard let topic = retrievals[hash]?.attempts.table.source(node)?.source.topic, !topics.contains(topic) else {
          continue
        }
        // Before any is removed: the pieces of one must not be requested from the next.
        retrievals[hash]?.change { $0.stopAsking(node) }
        withdrawn.append((hash, node))
      }
    }
    withdrawQuestions(except: Dictionary(permissions.map { ($0.node, $0.topics) }) { $1 }, at: now)
    for (hash, node) in withdrawn { changeAttempts(hash, at: now) { $0.drop(node, &$1, at: now) } }
  }

  // MARK: Time

  /// When to call `wake` next.
  package var wakeAt: Instant? { [searches.nextEnd, deadlines.next].compactMap { $0 }.min() }

  /// Whether the stored deadlines and sources match a scan of all searches and files. Tests check this after each
  /// input: a change that sets no deadline would otherwise show only when something waits forever.
  package var keepsItsDeadlines: Bool {
    let found = retrievals.values.compactMap(\.wakeAt)
    return searches.keepsItsDeadlines && deadlines.next == found.min()
      && retrievals.allSatisfy { deadlines[$0.key] == $0.value.wakeAt }
      && retrievals.allSatisfy { hash, retrieval in
        retrieval.attempts.table.nodes.allSatisfy { sourceIndex.files(of: $0).contains(hash) }
      }
  }

  /// Ends searches whose time is over, and drops sources that have fallen silent or behind.
  package mutating func wake(at now: Instant) {
    for question in searches.due(at: now) { settle(question, at: now) }
    for hash in deadlines.due(at: now).sorted() {
      let asked = searches.pending(for: .retrieval(hash))
      change(hash, at: now) { $0.wake(asked: asked, &$1, at: now) }
      goOnWithoutManifests(of: hash, at: now)
    }
  }
}
