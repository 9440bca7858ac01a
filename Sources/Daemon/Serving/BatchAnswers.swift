import ContentStore
import NodeCore
import Primitives
import Wire

/// The answers on a batch stream: whole small files, in groups.
struct BatchAnswers: StreamAnswers {
  static let frameLimit = 32 << 10
  static let isForManyFiles = true
  static let maximumWaiting = 8 * BatchRequest.maximumFiles
  /// Files that are read in one turn, unless their bytes are too many before.
  private static let groupFiles = 64
  private static let groupBytes = Limits.blockSize

  /// Answers to a group of files, or to the first of it.
  struct Group: StreamOutput {
    var bytes: [UInt8] = []
    /// Bytes of files, without the replies before them.
    var fileBytes = 0
    /// Files that are answered for, and those of them that are sent.
    var files = 0
    var sent = 0

    var bytesRead: Int { bytes.count }
  }

  private struct Question: Sendable {
    let hash: ContentHash
    /// Why the node does not even look for the file.
    let refusal: Refusal?
  }

  private let source: ServedFiles
  private var waiting = Queue<(channel: ChannelProof, hash: ContentHash)>()

  init(_ source: ServedFiles) { self.source = source }

  var waitingCount: Int { waiting.count }

  mutating func add(_ frame: Frame) throws(WireError) {
    let request = try BatchRequest.decode(frame)
    waiting.append(contentsOf: request.hashes.map { (request.channel, $0) })
  }

  mutating func next() -> AnswerStep<Group>? {
    guard let first = waiting.first else { return nil }
    let (store, questions) = (source.store, nextQuestions())
    return .read(
      StreamRead(hash: first.hash, cost: Self.groupBytes, work: { Self.read(questions, from: store) }))
  }

  /// Membership may be withdrawn at any time, so each group checks it again; but not for each file, because most are
  /// requested over one channel.
  private func nextQuestions() -> [Question] {
    var last: (channel: ChannelProof, refusal: Refusal?)?
    return waiting.prefix(Self.groupFiles).map { asked in
      if last?.channel != asked.channel { last = (asked.channel, source.refusal(over: asked.channel)) }
      return Question(
        hash: asked.hash, refusal: last?.refusal ?? (source.isWithheld(asked.hash) ? .limitReached : nil))
    }
  }

  mutating func finish(_ group: Group) -> StreamAnswer {
    waiting.removeFirst(group.files)
    source.metrics.requestsServed.add(group.sent)
    source.metrics.requestsRefused.add(group.files - group.sent)
    source.metrics.bytesSent.add(group.fileBytes)
    return .bytes([group.bytes])
  }

  /// Reads files until there are enough bytes, each behind its reply.
  private static func read(_ questions: [Question], from store: ContentStore) -> Group {
    var group = Group()
    group.bytes.reserveCapacity(groupBytes)
    for question in questions where group.bytes.count < groupBytes {
      group.files += 1
      if let refusal = question.refusal {
        group.bytes += FetchReply(refusal).encoded
        continue
      }
      switch store.readSmall(question.hash, limit: BatchRequest.maximumSize) {
      case .bytes(let bytes):
        group.sent += 1
        group.fileBytes += bytes.count
        group.bytes += FetchReply(count: UInt64(bytes.count)).encoded
        group.bytes += bytes
      case .absent: group.bytes += FetchReply(Refusal(absence: question.hash, in: store)).encoded
      case .tooLarge: group.bytes += FetchReply(.tooLarge).encoded
      case .unreadable: group.bytes += FetchReply(.unreadable).encoded
      }
    }
    return group
  }
}
