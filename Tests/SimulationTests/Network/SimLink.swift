import NodeCore
import Primitives
import Wire

/// A link between two simulated nodes: messages arrive in order after the latency, or not at all.
final class SimLink {
  struct End {
    let node: SimNode
    let id: LinkID
  }

  let dialer: End
  let acceptor: End
  let latency: Duration
  private(set) var isUp = true
  /// Whether bytes and messages are lost without either end noticing.
  var isSilent = false
  private let network: SimNetwork
  private var streams: [SimStream] = []

  init(_ network: SimNetwork, dialer: End, acceptor: End, latency: Duration) {
    self.network = network
    self.dialer = dialer
    self.acceptor = acceptor
    self.latency = latency
  }

  func isBetween(_ one: SimNode, _ other: SimNode) -> Bool {
    (dialer.node === one && acceptor.node === other) || (dialer.node === other && acceptor.node === one)
  }

  func other(_ node: SimNode) -> End { node === dialer.node ? acceptor : dialer }

  func attach(_ stream: SimStream) { streams.append(stream) }

  /// Calls `body` at the other end, unless the link is lost meanwhile.
  func travel(_ body: @escaping () -> Void) {
    network.clock.after(latency) { [self] in
      guard isUp, !isSilent else { return }
      body()
    }
  }

  /// Sends a message as bytes, which the other end decodes as from a socket.
  func send(_ message: ControlMessage, from node: SimNode) {
    guard isUp else { return }
    let end = other(node)
    let bytes = message.encoded
    travel { [network] in
      do {
        var decoder = FrameDecoder(limit: WireLimits.frame)
        decoder.append(bytes)
        guard let frame = try decoder.next(), let decoded = try ControlMessage.decode(frame) else {
          return network.complain("a message of \(node.name) is no message")
        }
        if decoded != message { network.complain("\(node.name) sent \(message) and \(decoded) came") }
        end.node.received(decoded, on: end.id)
      } catch {
        network.complain("a message of \(node.name) cannot be read: \(error)")
      }
    }
  }

  /// `node` says goodbye and closes: the other end reads that before it notices the end.
  func close(_ goodbye: Goodbye, by node: SimNode) {
    guard isUp else { return }
    send(.goodbye(goodbye), from: node)
    let end = node === dialer.node ? dialer : acceptor
    network.clock.after(.zero) { end.node.linkClosed(end.id) }
    travel { self.cut() }
  }

  /// The link breaks; both ends notice.
  func cut() {
    guard isUp else { return }
    isUp = false
    for end in [dialer, acceptor] {
      // The order in which streams and link learn of it must make no difference.
      let streamsFirst = network.random.chance(50)
      if streamsFirst { endStreams(of: end.node) }
      end.node.linkClosed(end.id)
      if !streamsFirst { endStreams(of: end.node) }
    }
    streams = []
  }

  private func endStreams(of node: SimNode) {
    for stream in streams where stream.opener === node { stream.linkEnded() }
  }
}
