import EventLoop
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// `BatchClient`: input on a batch stream, and what a peer cannot do with it.
@Suite struct BatchClientTests {
  /// The client's reports, in order.
  private final class Heard {
    var replies: [String] = []
    var ends = 0
    var signs = 0
  }

  private let stream = MemoryStream()
  private let heard = Heard()
  private let client: BatchClient
  private let channel: ChannelProof = .filled(with: 7)

  /// A client without a rate limit, which holds nothing back.
  init() throws {
    let loop = try EventLoop(name: "batch")
    client = BatchClient(stream, channel: channel, limiter: RateLimiter(RateLimit(nil), loop: loop))
    client.onReply = { [heard] index, reply in
      switch reply {
      case .bytes(let bytes): heard.replies.append("\(index) \(String(decoding: bytes, as: UTF8.self))")
      case .refused(let refusal): heard.replies.append("\(index) \(refusal)")
      }
    }
    client.onBytes = { [heard] in heard.signs += 1 }
    client.onEnd = { [heard] _ in heard.ends += 1 }
  }

  private func ask(_ indices: [Int]) {
    client.request(indices.map { (index: $0, hash: ContentHash.filled(with: UInt8($0))) })
  }

  private func reply(_ text: String) -> [UInt8] {
    FetchReply(count: UInt64(text.utf8.count)).encoded + Array(text.utf8)
  }

  @Test func requestsNameTheFiles() throws {
    ask([3, 1])
    ask([])
    ask([2])
    #expect(stream.written.first == StreamKind.batch.rawValue)
    var decoder = FrameDecoder(limit: WireLimits.frame)
    decoder.append(stream.written.dropFirst())
    var asked: [BatchRequest] = []
    while let frame = try decoder.next() { asked.append(try BatchRequest.decode(frame)) }
    #expect(asked.map(\.hashes) == [[.filled(with: 3), .filled(with: 1)], [.filled(with: 2)]])
    #expect(asked.allSatisfy { $0.channel == channel })
  }

  @Test(arguments: [1, 3, 14, 1_000]) func answersComeInOrder(slice: Int) {
    ask([5, 6, 7, 8])
    let bytes = reply("five") + FetchReply(.notHere).encoded + reply("") + reply("eight")
    for start in stride(from: 0, to: bytes.count, by: slice) {
      stream.receive(Array(bytes[start..<min(start + slice, bytes.count)]))
    }
    #expect(heard.replies == ["5 five", "6 \(Refusal.notHere)", "7 ", "8 eight"])
    #expect(heard.ends == 0 && heard.signs == (bytes.count + slice - 1) / slice && !stream.isReset)
  }

  /// Flow control releases a file's bytes once they are on the disk, and all other bytes immediately.
  @Test func theWindowWaitsForTheDisk() {
    ask([1, 2])
    let bytes = reply("one") + FetchReply(.notHere).encoded
    stream.receive(bytes)
    #expect(stream.consumedBytes == bytes.count - 3)
    client.consumed(3)
    #expect(stream.consumedBytes == bytes.count)
  }

  /// Input that ends the stream: an answer without a request, or no valid answer.
  @Test(arguments: [
    FetchReply(count: BatchRequest.maximumSize + 1).encoded, FetchReply(count: .max).encoded, [0, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 2, 99, 0], [0, 0, 0, 2, 17, 200],
    FetchReply(.notHere).encoded + FetchReply(.notHere).encoded,
    FetchReply(.notHere).encoded + FetchReply(count: 0).encoded,
  ])
  func nonsenseEndsTheStream(bytes: [UInt8]) {
    ask([1])
    stream.receive(bytes)
    #expect(heard.ends == 1 && stream.isReset)
    #expect(heard.replies.allSatisfy { $0 == "1 \(Refusal.notHere)" })
    let written = stream.written
    ask([2])
    stream.receive(reply("two"))
    #expect(stream.written == written && heard.replies.count <= 1 && heard.ends == 1)
  }

  @Test func aLinkThatIsLostEndsItOnce() {
    ask([1])
    stream.receive(Array(reply("one").prefix(15)))
    stream.end(.linkClosed)
    stream.end(.linkClosed)
    #expect(heard.ends == 1 && heard.replies.isEmpty && stream.isReset)
  }

  @Test func aClosedClientReportsNothing() {
    ask([1])
    client.close()
    client.close()
    stream.receive(reply("one"))
    stream.end(.reset)
    client.consumed(3)
    #expect(heard.ends == 0 && heard.replies.isEmpty && heard.signs == 0 && stream.isReset)
    #expect(stream.consumedBytes == 0)
  }

  /// The owner may close the client while it handles a file: the rest of the input is ignored.
  @Test func aClientClosedWhileReadingStops() {
    ask([1, 2])
    client.onReply = { [client, heard] index, _ in
      heard.replies.append("\(index)")
      client.close()
    }
    stream.receive(reply("one") + reply("two"))
    #expect(heard.replies == ["1"] && heard.ends == 0 && stream.isReset)
  }
}
