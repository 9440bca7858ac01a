import Primitives

/// A subfeed that somebody here reads, and that other nodes may have.
struct Following: Sendable {
  /// One node of which it is read.
  struct Source: Hashable, Sendable {
    let id: UInt32
    let topic: Topic
    let askedAt: Instant
    var hasAnswered = false
  }

  /// Messages that wait to be kept.
  struct Batch: Sendable {
    let id: AdmissionID
    let node: NodeID
    let position: UInt64
    let messages: [[UInt8]]

    var bytes: Int { messages.reduce(0) { $0 + $1.count } }
    var end: UInt64 { position + UInt64(messages.count) }
  }

  var topics: TopicFilter
  /// Who reads it here.
  var readers = 0
  /// When the last reader went.
  var unreadSince: Instant?
  /// Messages of it that are here; nil until they were counted.
  var count: UInt64?
  var sources: [NodeID: Source] = [:]
  /// Nodes that gave wrong messages, or would give none, and since when they are not asked.
  var shunned: [NodeID: Instant] = [:]
  /// What is being checked and kept, in order.
  var admitting: [Batch] = []
  var backlog: [Batch] = []
  /// Nothing could be kept: when it is tried again.
  var retryAt: Instant?
}
