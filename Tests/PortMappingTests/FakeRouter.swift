import EventLoop
import Primitives
import TestSupport

/// A router at an address of the loopback network, which answers in NAT-PMP and serves descriptions and commands of UPnP
/// as a test wants it.
final class FakeRouter: Sendable {
  /// What it sends back for a datagram, or for an HTTP request; each element is sent as it is.
  typealias Answer = @Sendable ([UInt8]) -> [[UInt8]]

  /// RFC 6886, section 3.1.
  private static let natPMPPort: UInt16 = 5_351
  /// A response that goes on until the reader closes.
  static let endless: [UInt8] = Array("endless".utf8)

  let address: IPAddress
  let loop: EventLoop

  /// A router at an address that other tests hardly have.
  init(natPMP: Answer? = nil, http: Answer? = nil) async throws {
    loop = try EventLoop(name: "router")
    let loop = loop
    var random = SystemRandomNumberGenerator()
    let host = "127.\(UInt8.random(in: 1...254, using: &random)).\(UInt8.random(in: 1...254, using: &random)).7"
    guard let address = IPAddress(host) else { throw KacheryError(.internalError, "\(host) is no address.") }
    self.address = address
    let problem: KacheryError? = await withCheckedContinuation { continuation in
      loop.post {
        do throws(KacheryError) {
          if let natPMP { try Self.answer(natPMP, on: loop, at: host) }
          if let http { try Self.serve(http, on: loop, at: host) }
          continuation.resume(returning: nil)
        } catch {
          continuation.resume(returning: error)
        }
      }
    }
    if let problem { throw problem }
  }

  /// The URL of its description.
  var location: String { "http://\(address):\(Self.httpPort)/description.xml" }

  func stop() async { await loop.shutdown() }

  private static let httpPort: UInt16 = 5_000

  private static func answer(_ natPMP: @escaping Answer, on loop: EventLoop, at host: String) throws(KacheryError) {
    let socket = try UDPSocket.bind(on: loop, host: host, port: natPMPPort)
    socket.onDatagram = { datagram, sender in
      for answer in natPMP(datagram) { socket.send(answer, to: sender.host, port: sender.port) }
    }
    socket.resumeReceiving()
  }

  private static func serve(_ http: @escaping Answer, on loop: EventLoop, at host: String) throws(KacheryError) {
    let listener = try TCPListener.listen(on: loop, host: host, port: httpPort)
    let block = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
    listener.onConnection = { connection in
      var request: [UInt8] = []
      var isOpen = true
      connection.onEnd = { _ in
        isOpen = false
        connection.close()
      }
      connection.onData = { bytes in
        request += bytes
        // The library sends a request's head and its body in one piece or in two.
        guard isComplete(request) else { return }
        let answers = http(request)
        request = []
        for answer in answers where answer != endless { connection.write(answer) }
        guard answers.last == endless else { return }
        connection.onDrain = { if isOpen { connection.write(block) } }
        connection.write(block)
      }
      connection.resumeReading()
    }
  }

  private static func isComplete(_ request: [UInt8]) -> Bool {
    let text = String(decoding: request, as: UTF8.self)
    let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return false }
    let length = parts[0].split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
      .flatMap { Int($0.dropFirst(15).filter(\.isNumber)) }
    return parts[1].utf8.count >= length ?? 0
  }
}
