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
  let path: PathKind
  /// The time for one way. It may change.
  var latency: Duration
  /// Bytes of files that it carries per second; nil for unlimited.
  var rate: Int?
  private(set) var isUp = true
  /// Whether it carries nothing, without either end being notified. What is sent meanwhile arrives once it carries
  /// again.
  private(set) var isSilent = false
  private let network: SimNetwork
  private var streams: [SimStream] = []
  /// Relayed links that are carried by this one.
  private var carried: [SimLink] = []
  /// What has arrived while the link was silent.
  private var held: [() -> Void] = []
  private var lastArrival = Instant(nanoseconds: 0)
  private var isCarryingUntil = Instant(nanoseconds: 0)

  init(_ network: SimNetwork, dialer: End, acceptor: End, path: PathKind, latency: Duration) {
    self.network = network
    self.dialer = dialer
    self.acceptor = acceptor
    self.path = path
    self.latency = latency
  }

  func isBetween(_ one: SimNode, _ other: SimNode) -> Bool {
    (dialer.node === one && acceptor.node === other) || (dialer.node === other && acceptor.node === one)
  }

  func other(_ node: SimNode) -> End { node === dialer.node ? acceptor : dialer }

  func end(of node: SimNode) -> End { node === dialer.node ? dialer : acceptor }

  /// Whether it carries this relayed link.
  func isCarrying(_ link: SimLink) -> Bool { carried.contains { $0 === link } }

  /// Carries a relayed link, which shares its fate from now on.
  func carry(_ link: SimLink) {
    carried.append(link)
    if isSilent { link.fallSilent() }
  }

  func attach(_ stream: SimStream) {
    if !streams.contains(where: { $0 === stream }) { streams.append(stream) }
  }

  /// Whether files are requested over it, by either end.
  var isIdle: Bool {
    !streams.contains { $0.uses(self) }
      && ![dialer, acceptor].contains { $0.node.hasBatch(over: $0.id) }
  }

  /// Calls `body` at the other end, unless the link is lost meanwhile.
  func travel(_ body: @escaping () -> Void) {
    lastArrival = max(lastArrival, network.clock.now + latency)
    network.clock.after(lastArrival - network.clock.now) { [self] in
      guard isUp else { return }
      if isSilent { held.append(body) } else { body() }
    }
  }

  /// The time until it has carried `count` more bytes of files.
  func timeToCarry(_ count: Int) -> Duration {
    guard let rate else { return .zero }
    let start = max(isCarryingUntil, network.clock.now)
    isCarryingUntil = start + .microseconds(count * 1_000_000 / rate)
    return isCarryingUntil - network.clock.now
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
    let end = end(of: node)
    network.clock.after(.zero) { end.node.linkClosed(end.id) }
    travel { self.cut() }
    // A closing link does not wait for a silent path.
    network.clock.after(latency + .seconds(2)) { self.cut() }
  }

  /// The link breaks; both ends notice.
  func cut() {
    guard isUp else { return }
    isUp = false
    onCut?()
    onCut = nil
    held = []
    for end in [dialer, acceptor] {
      // The order in which streams and link learn of it must make no difference.
      let streamsFirst = network.random.chance(50)
      if streamsFirst { endStreams(of: end.node) }
      end.node.linkClosed(end.id)
      if !streamsFirst { endStreams(of: end.node) }
    }
    streams = []
    for link in carried { link.cut() }
    carried = []
  }

  private func endStreams(of node: SimNode) {
    for stream in streams where stream.opener === node { stream.linkEnded(self) }
  }

  // MARK: Silence

  /// Carries nothing from now on. Each end notices after a few seconds, and gives the link up after more.
  func fallSilent() {
    guard isUp, !isSilent else { return }
    isSilent = true
    for link in carried { link.fallSilent() }
    silences += 1
    let number = silences
    for end in [dialer, acceptor] {
      network.clock.after(.milliseconds(network.random.number(2_000...5_000))) { [self] in
        if isUp, isSilent, silences == number { end.node.linkSilent(end.id) }
      }
    }
    network.clock.after(.milliseconds(network.random.number(12_000...15_000))) { [self] in
      if isSilent, silences == number { cut() }
    }
  }

  private var silences = 0
  /// Called when it breaks, or is closed.
  var onCut: (() -> Void)?

  /// Carries again, and delivers what was sent meanwhile.
  func recover() {
    guard isUp, isSilent else { return }
    isSilent = false
    for link in carried { link.recover() }
    let late = held
    held = []
    for end in [dialer, acceptor] where isUp { end.node.linkHeard(end.id) }
    for body in late where isUp { body() }
  }
}
