import NodeCore
import Primitives
import Wire

/// The answers to one kind of stream: decodes requests, and says what to read and what to send, in order.
///
/// A value without I/O of its own. `StreamServer` drives it: one read at a time, each in its turn.
protocol StreamAnswers {
  /// What a read yields.
  associatedtype Output: StreamOutput

  /// Bytes in the longest frame of a request.
  static var frameLimit: Int { get }
  /// Whether one stream is for many files.
  static var isForManyFiles: Bool { get }
  /// Files or ranges that may wait on one stream; a peer that asks for more loses the stream.
  static var maximumWaiting: Int { get }

  /// Files or ranges that were asked for and are not begun.
  var waitingCount: Int { get }

  /// Takes in a frame of the peer's.
  mutating func add(_ frame: Frame) throws(WireError)
  /// What to do next; nil if every request has been answered.
  mutating func next() -> AnswerStep<Output>?
  /// Turns what `next` asked for into what the peer is sent.
  mutating func finish(_ output: Output) -> StreamAnswer
}

/// The result of one read.
protocol StreamOutput: Sendable {
  /// Bytes of files that were read.
  var bytesRead: Int { get }
}

/// The next step of an answer.
enum AnswerStep<Output: StreamOutput> {
  /// Nothing has to be read.
  case ready(Output)
  case read(StreamRead<Output>)
}

/// One turn's read.
struct StreamRead<Output: StreamOutput> {
  /// The file, named to a peer that waits.
  let hash: ContentHash
  /// About how many bytes will be read.
  let cost: Int
  /// Reads from memory alone, on the loop; nil, or returns nil, if the pool has to read.
  var immediately: (() -> Output?)?
  /// Starts to read ahead into memory for later reads. Runs on the pool; no caller waits for it.
  var prefetch: (@Sendable () -> Void)?
  /// Reads, on the pool.
  let work: @Sendable () -> Output
}

/// What the peer is sent.
enum StreamAnswer {
  /// These bytes, in order.
  case bytes([[UInt8]])
  /// The stream cannot go on in the middle of this file.
  case abort(AbortNotice)
}
