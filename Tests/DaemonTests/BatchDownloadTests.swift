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

/// Batches over streams whose other ends are controlled by the test.
@Suite struct BatchDownloadTests {
  /// How the other end of a stream behaves.
  enum Conduct: CaseIterable {
    case honest
    case silent
    /// Sends the head of an answer, and then nothing.
    case stops
    case refuses
    /// Sends other bytes than those requested.
    case lies
    /// Answers for more files than requested.
    case answersUnasked
    /// Claims that a file is too large for a batch.
    case overflows
    /// Ends the stream after three files.
    case breaksOff
  }

  private actor Loading {
    private struct Peer {
      let conduct: Conduct
      var link = LinkID(number: 0)
      var stream: MemoryStream?
      var decoder = FrameDecoder(limit: 64 << 10)
      var readBytes = 1
      var given = 0
    }

    let loop: EventLoop
    let store: ContentStore
    private let channel: ChannelProof
    private let files: [[UInt8]]
    private var peers: [NodeID: Peer] = [:]
    private var ended: [Int: String] = [:]
    private var timer: Timer?
    private(set) var liars: Set<NodeID> = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(storingIn folder: String, files: [[UInt8]]) throws {
      loop = try EventLoop(name: "loading")
      store = try ContentStore(directory: folder, log: .disabled)
      channel = .filled(with: 7)
      self.files = files
    }

    /// Loads all files from these nodes; returns the outcome of each.
    func load(from conducts: [Conduct]) async throws -> [Int: String] {
      for (number, conduct) in conducts.enumerated() {
        let node = try #require(NodeID(bytes: [UInt8](repeating: UInt8(number + 1), count: NodeID.byteCount)))
        peers[node] = Peer(conduct: conduct)
      }
      let transfer = BatchDownload(store: store, loop: loop, limiter: RateLimiter(RateLimit(nil), loop: loop)) {
        self.peers.keys.sorted().map { self.source($0) }
      }
      await withCheckedContinuation { continuation in
        var isDone = false
        transfer.onEvent = { event in
          switch event {
          case .misbehaved(let node, _): self.liars.insert(node)
          case .ended(let index, let outcome, _): self.ended[index] = Self.name(outcome)
          case .received, .refused: break
          }
          guard self.ended.count == self.files.count, !isDone else { return }
          isDone = true
          continuation.resume()
        }
        timer = loop.after(.zero, repeating: .milliseconds(1)) { self.answerAll() }
        transfer.add(files.enumerated().map { (index: $0.offset, hash: ContentHash.of($0.element)) })
      }
      timer?.cancel()
      transfer.close()
      for peer in peers.values where peer.stream != nil { #expect(peer.stream?.isReset == true) }
      return ended
    }

    private static func name(_ outcome: BatchDownload.Outcome) -> String {
      switch outcome {
      case .stored: "stored"
      case .failed(let error): error.code.rawValue
      case .missing(.nowhere): "nowhere"
      case .missing(.needsEngine): "needs the engine"
      }
    }

    private func source(_ node: NodeID) -> BatchSource {
      BatchSource(node: node, channel: channel, link: peers[node]?.link ?? LinkID(number: 0)) {
        let stream = MemoryStream()
        self.peers[node]?.stream = stream
        self.peers[node]?.decoder = FrameDecoder(limit: 64 << 10)
        self.peers[node]?.readBytes = 1
        return stream
      }
    }

    private func answerAll() {
      for node in peers.keys.sorted() {
        guard let stream = peers[node]?.stream, !stream.isReset, let start = peers[node]?.readBytes else { continue }
        peers[node]?.decoder.append(stream.written[start...])
        peers[node]?.readBytes = stream.written.count
        while let frame = (try? peers[node]?.decoder.next()) ?? nil, let request = try? BatchRequest.decode(frame) {
          for hash in request.hashes where !stream.isReset { answer(hash, node, stream) }
        }
      }
    }

    private func answer(_ hash: ContentHash, _ node: NodeID, _ stream: MemoryStream) {
      guard let peer = peers[node] else { return }
      let bytes = files.first { ContentHash.of($0) == hash } ?? []
      let head = FetchReply(count: UInt64(bytes.count)).encoded
      switch peer.conduct {
      case .honest: stream.receive(head + bytes)
      case .silent: break
      case .stops: if peer.given == 0 { stream.receive(head) }
      case .refuses: stream.receive(FetchReply(.notHere).encoded)
      case .lies: stream.receive(head + bytes.map { $0 ^ 1 })
      case .answersUnasked: stream.receive(FetchReply(.notHere).encoded + FetchReply(.notHere).encoded)
      case .overflows: stream.receive(FetchReply(count: BatchRequest.maximumSize + 1).encoded)
      case .breaksOff:
        if peer.given % 4 < 3 {
          stream.receive(head + bytes)
        } else {
          peers[node]?.link = LinkID(number: peer.link.number + 1)
          stream.end(.linkClosed)
        }
      }
      peers[node]?.given += 1
    }

    func stop() async { await loop.shutdown() }
  }

  private func load(
    _ count: Int, from conducts: [Conduct], _ check: (Loading, [Int: String]) async throws -> Void
  ) async throws {
    let folder = try TemporaryFolder()
    let files = (0..<count).map { Array("file \($0) \(String(repeating: "x", count: 10 * $0))".utf8) }
    let loading = try Loading(storingIn: folder.path("store"), files: files)
    let outcomes = try await loading.load(from: conducts)
    try await check(loading, outcomes)
    for (index, outcome) in outcomes where outcome == "stored" {
      let stored = loading.store.readSmall(.of(files[index]), limit: 1 << 20)
      guard case .bytes(let bytes) = stored else { throw KacheryError(.notFound, "the file \(index) was not stored") }
      #expect(bytes == files[index])
    }
    await loading.stop()
  }

  @Test(.timeLimit(.minutes(1)), arguments: Conduct.allCases)
  func anHonestNodeDeliversBesideAnyOther(conduct: Conduct) async throws {
    try await load(40, from: [conduct, conduct, conduct, .honest]) { loading, outcomes in
      #expect(outcomes.count == 40)
      #expect(outcomes.values.allSatisfy { $0 == "stored" }, "\(outcomes)")
      let liars = await loading.liars
      #expect(liars.isEmpty == (conduct != .lies))
    }
  }

  @Test(.timeLimit(.minutes(1))) func aNodeThatBreaksOffAndReturnsContinues() async throws {
    try await load(10, from: [.breaksOff]) { _, outcomes in
      #expect(outcomes.count == 10)
      #expect(outcomes.values.allSatisfy { $0 == "stored" }, "\(outcomes)")
    }
  }

  @Test(.timeLimit(.minutes(1))) func aFileThatNoNodeHasIsNowhere() async throws {
    try await load(5, from: [.refuses, .refuses]) { _, outcomes in
      #expect(outcomes.values.allSatisfy { $0 == "nowhere" })
    }
    try await load(5, from: [.refuses, .lies, .overflows, .answersUnasked]) { _, outcomes in
      #expect(outcomes.values.allSatisfy { $0 == "needs the engine" })
    }
  }
}
