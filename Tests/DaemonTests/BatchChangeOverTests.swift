import ContentStore
import Crypto
import EventLoop
import Links
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// A batch whose node is reached over another link while files are under way.
@Suite struct BatchChangeOverTests {
  /// What becomes of the first link.
  enum FirstLink: CaseIterable {
    /// It carries what was requested over it.
    case runsEmpty
    case isAbandoned
    case breaks
  }

  private actor Loading {
    private struct Opened {
      let stream: MemoryStream
      var decoder = FrameDecoder(limit: 64 << 10)
      var readBytes = 1
      var requested: [ContentHash] = []
      var answered = 0
    }

    private static let first = LinkID(number: 1)
    private static let second = LinkID(number: 2)

    let loop: EventLoop
    private let store: ContentStore
    private let node: NodeID = .filled(with: 1)
    private let files: [ContentHash: [UInt8]]
    private var link = first
    private var opened: [Opened] = []
    private var stored = 0
    private var failures: [String] = []
    private var timer: Timer?

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(storingIn folder: String, files: [[UInt8]]) throws {
      loop = try EventLoop(name: "loading")
      store = try ContentStore(directory: folder, log: .disabled)
      self.files = Dictionary(uniqueKeysWithValues: files.map { (.of($0), $0) })
    }

    /// Loads all files, the first few over the first link; returns the number of requests over each link.
    func load(_ fate: FirstLink) async throws -> (requests: [Int], failures: [String], streamsOpen: Int) {
      var isCarrying = true
      let transfer = BatchDownload(
        store: store, loop: loop, limiter: RateLimiter(RateLimit(nil), loop: loop),
        isCarrying: { $0 == Self.second || isCarrying },
        sources: { [BatchSource(node: self.node, channel: .filled(with: 7), link: self.link, open: self.open)] })
      await withCheckedContinuation { continuation in
        var isDone = false
        transfer.onEvent = { event in
          guard case .ended(_, let outcome, _) = event else { return }
          if case .stored = outcome { self.stored += 1 } else { self.failures.append("\(outcome)") }
          guard self.stored + self.failures.count == self.files.count, !isDone else { return }
          isDone = true
          continuation.resume()
        }
        timer = loop.after(.zero, repeating: .milliseconds(1)) {
          self.read()
          // The first link gives a few files before it is replaced.
          if self.link == Self.first {
            self.answer(0, atMost: 20)
            guard self.stored >= 20 else { return }
            self.link = Self.second
            isCarrying = fate == .runsEmpty
            if fate == .breaks { self.opened[0].stream.end(.linkClosed) }
          }
          for place in self.opened.indices where place > 0 || fate == .runsEmpty && self.opened.count > 1 {
            self.answer(place, atMost: .max)
          }
        }
        transfer.add(files.keys.sorted().enumerated().map { (index: $0.offset, hash: $0.element) })
      }
      timer?.cancel()
      let open = opened.count { !$0.stream.isReset }
      transfer.close()
      return (opened.map(\.requested.count), failures, open)
    }

    private func open() -> any ByteStream {
      let stream = MemoryStream()
      opened.append(Opened(stream: stream))
      return stream
    }

    private func read() {
      for place in opened.indices where !opened[place].stream.isReset {
        let written = opened[place].stream.written
        opened[place].decoder.append(written[min(opened[place].readBytes, written.count)...])
        opened[place].readBytes = max(1, written.count)
        while let frame = (try? opened[place].decoder.next()) ?? nil, let request = try? BatchRequest.decode(frame) {
          opened[place].requested += request.hashes
        }
      }
    }

    /// Answers the requests of a stream, until `limit` of them have been answered.
    private func answer(_ place: Int, atMost limit: Int) {
      while opened[place].answered < min(limit, opened[place].requested.count), !opened[place].stream.isReset {
        let bytes = files[opened[place].requested[opened[place].answered]] ?? []
        opened[place].answered += 1
        opened[place].stream.receive(FetchReply(count: UInt64(bytes.count)).encoded + bytes)
      }
    }

    func stop() async { await loop.shutdown() }
  }

  @Test(arguments: FirstLink.allCases) func everyFileArrives(_ fate: FirstLink) async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let files = (0..<1_500).map { Array("file \($0)".utf8) }
    let loading = try Loading(storingIn: folder.path, files: files)
    let (requests, failures, streamsOpen) = try await loading.load(fate)
    await loading.stop()
    #expect(failures == [])
    try #require(requests.count == 2)
    #expect(requests[1] > 0)
    #expect(streamsOpen == 1, "the first stream is closed once it is not needed")
    if fate == .runsEmpty {
      #expect(requests[0] + requests[1] == 1_500, "no file is requested twice")
    } else {
      #expect(requests[0] + requests[1] == 1_500 + requests[0] - 20, "only what was not answered is requested again")
    }
  }
}
