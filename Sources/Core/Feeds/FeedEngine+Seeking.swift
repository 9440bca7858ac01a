package import Primitives
import Wire

/// A client that searches for the node that writes a feed.
struct Seek: Sendable {
  let feed: FeedID
}

/// A client's message for this node to submit to the feed's writer.
struct Submission: Sendable {
  let key: SubfeedKey
  let message: [UInt8]
  /// The node to which it was sent.
  var sentTo: NodeID?
}

/// Finding the node that writes a feed, and submitting messages to it.
extension FeedEngine {
  private static let anyTopic = TopicFilter(nil)

  /// A client searches for the writer of the feed; ends with `sought`.
  package mutating func seek(_ id: FeedSeekID, _ feed: FeedID, until: Instant, at now: Instant) {
    seeks[id] = Seek(feed: feed)
    seekDeadlines.set(id, until)
    startTicking(at: now)
    settleSeeks(of: feed, at: now)
    ask(for: id, at: now)
  }

  /// Queries every node that may know the writer and has not answered recently.
  mutating func ask(for id: FeedSeekID, at now: Instant) {
    guard let seek = seeks[id] else { return }
    askEverybody(about: seek.feed, at: now)
  }

  private mutating func askEverybody(about feed: FeedID, at now: Instant) {
    for node in peers.keys.sorted() { ask(node, about: feed, at: now) }
  }

  mutating func ask(_ node: NodeID, about feed: FeedID, at now: Instant) {
    switch peers[node]?.knowledge[feed] {
    case .writer, .asked: return
    // An answer less than a second old still holds; later the node may know more.
    case .copy(let since), .unknown(let since): if now < since + .seconds(1) { return }
    case nil: break
    }
    query(feed, of: node, over: Self.anyTopic, at: now)
  }

  private func writer(of feed: FeedID) -> NodeID? {
    peers.values.filter { $0.knowledge[feed] == .writer && !$0.channels.isEmpty }.map(\.node).min()
  }

  mutating func settleSeeks(of feed: FeedID, at now: Instant) {
    guard let writer = writer(of: feed) else { return }
    for (id, seek) in seeks.sorted(by: { $0.key.number < $1.key.number }) where seek.feed == feed {
      endSeek(id)
      emit(.client(.sought(id, .writer(writer))))
    }
  }

  mutating func endSeeks(at now: Instant) {
    for id in seekDeadlines.due(at: now) {
      guard let seek = seeks[id] else { continue }
      endSeek(id)
      let hasCopies = peers.values.contains { peer in
        if case .copy = peer.knowledge[seek.feed] { true } else { false }
      }
      emit(.client(.sought(id, hasCopies ? .copies : .nowhere)))
    }
  }

  private mutating func endSeek(_ id: FeedSeekID) {
    seeks[id] = nil
    seekDeadlines.clear(id)
  }

  // MARK: Submitting

  /// A client submits a message to a subfeed that another node writes; ends with `submitted`.
  package mutating func submit(
    _ id: SubmitID, _ message: [UInt8], to key: SubfeedKey, until: Instant, at now: Instant
  ) {
    submissions[id] = Submission(key: key, message: message)
    submissionDeadlines.set(id, until)
    startTicking(at: now)
    askEverybody(about: key.feed, at: now)
    send(id, at: now)
  }

  /// Sends a submission to the feed's writer, if it is known and the submission was not sent yet.
  mutating func send(_ id: SubmitID, at now: Instant) {
    guard let submission = submissions[id], submission.sentTo == nil else { return }
    guard let writer = writer(of: submission.key.feed) else {
      return askEverybody(about: submission.key.feed, at: now)
    }
    guard let peer = peers[writer], let channel = peer.channel(among: Self.anyTopic),
      let request = peers[writer]?.nextID()
    else { return }
    peers[writer]?.submits[request] = FeedPeer.Submit(id: id, link: peer.link)
    submissions[id]?.sentTo = writer
    emit(
      .request(peer.link, .submit(id: request, channel.proof, submission.key, message: submission.message)))
  }

  mutating func endSubmission(_ id: SubmitID, _ error: KacheryError?) {
    guard submissions.removeValue(forKey: id) != nil else { return }
    submissionDeadlines.clear(id)
    emit(.client(.submitted(id, error)))
  }

  mutating func endSubmissions(at now: Instant) {
    for id in submissionDeadlines.due(at: now) {
      guard let submission = submissions[id] else { continue }
      guard let node = submission.sentTo else {
        endSubmission(
          id,
          KacheryError(
            .noMemberOnline,
            "The node that writes the feed \(submission.key.feed) was not found on this node's channels."))
        continue
      }
      let submits = peers[node]?.submits.filter { $0.value.id != id }
      peers[node]?.submits = submits ?? [:]
      endSubmission(
        id,
        KacheryError(.timedOut, "The node that writes the feed has not answered; the message may have been appended."))
    }
  }
}
