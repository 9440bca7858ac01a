import Primitives
import TestSupport
import Traversal
import Wire

/// Two nodes behind edges of given kinds, with two bootstrap nodes that see them and a relay between them.
final class ReachPair {
  static let port: UInt16 = 15_351

  /// One of the two: its schedule, and the machine on which its rounds are carried out.
  final class End {
    let node: NodeID
    let host: SimHost
    let puncher: SimPuncher
    var schedule: PunchSchedule
    /// Where the bootstrap nodes see it.
    var outside = OutsideView()
    /// The same for datagrams; nil if it uses none.
    var observers: UDPObservers?
    var outsideUDP = OutsideView()
    /// The datagrams of rounds that it has sent.
    var probes: [ProbeDatagram] = []
    var sent: [ControlMessage] = []
    var rounds: [PunchRound] = []
    /// The connections that were agreed on.
    var connections: [(round: PunchRound, socket: SimSocket)] = []
    /// The endpoint at the other end of a connection by QUIC.
    var quic: Endpoint?
    /// When it has opened further sockets.
    var openings: [Instant] = []
    /// The ports of its further sockets.
    var sockets: Set<UInt16> = []
    var isMuted = false

    init(_ node: NodeID, _ host: SimHost, seed: UInt64) {
      self.node = node
      self.host = host
      puncher = SimPuncher(host, port: ReachPair.port, node: node)
      schedule = PunchSchedule(of: node, random: SeededRandom(seed: seed))
    }
  }

  let clock = SimClock()
  let internet: SimInternet
  let observers: [SimHost]
  let ends: [End]
  /// One way through the relay.
  var relayDelay: Duration = .milliseconds(50)
  /// Whether both have measured the round trip through the relay.
  var knowsRoundTrip = false
  /// Whether a file waits for a direct link.
  var carriesWork = false
  private let link = LinkID(number: 1)
  private var wakeNumbers = [0, 0]
  /// What the bootstrap nodes know about datagrams.
  private var answers: [ObservationAnswers] = [ObservationAnswers(), ObservationAnswers()]
  private let guessesPorts: Bool

  /// The first of the two has the smaller ID.
  ///
  /// - Parameters:
  ///   - usesUDP: whether both use UDP as well.
  ///   - guessesPorts: whether they guess ports.
  init(_ kinds: [NATKind], seed: UInt64, usesUDP: Bool = false, guessesPorts: Bool = false) {
    self.guessesPorts = guessesPorts
    internet = SimInternet(clock: clock, seed: seed)
    let internet = internet
    observers = (1...2).map { SimHost("192.0.2.\($0)", in: internet) }
    for observer in observers { observer.listen(on: 443) { _ in } }
    ends = kinds.enumerated().map { number, kind in
      End(
        .filled(with: UInt8(number + 1)), kind.host(number + 1, port: Self.port, in: internet),
        seed: seed &+ UInt64(number))
    }
    for (number, end) in ends.enumerated() {
      end.puncher.onFailure = { [weak self] round in
        self?.input(number) { $0.failed(round.peer, session: round.session, round: round.number, at: $1) }
      }
      end.puncher.onConnection = { [weak self] in self?.agreed(number, $0, $1) }
    }
    if usesUDP { prepareDatagrams() }
  }

  /// From now on TCP leads to the bootstrap nodes only.
  func dropTCP() { internet.tcpHosts = Set(observers.map(\.address)) }

  // MARK: Datagrams

  private static func observer(_ number: Int) -> NodeID { .filled(with: UInt8(100 + number)) }

  private func prepareDatagrams() {
    for (number, end) in ends.enumerated() {
      var asking = UDPObservers(of: end.node)
      for observer in observers.indices {
        let binding = [UInt8(number), UInt8(observer)]
        let place = Endpoint(host: observers[observer].address, port: 443)
        answers[observer].add(LinkID(number: UInt64(number)), to: end.node, binding: binding)
        guard let place else { continue }
        asking.add(Self.observer(observer), by: link, binding: binding, at: place, now: clock.now)
      }
      end.observers = asking
      end.host.onDatagram = { [weak self] in self?.received($0, from: $1, at: $2, number) }
    }
    for (number, observer) in observers.enumerated() {
      observer.onDatagram = { [weak self] bytes, sender, _ in
        guard let self, let probe = Probe(bytes) else { return }
        let answer = answers[number].answer(probe, bytes, from: sender, as: Self.observer(number), at: clock.now)
        if let answer { observers[number].send(answer.bytes, from: 443, to: answer.endpoint) }
      }
    }
  }

  private func received(_ bytes: [UInt8], from sender: Endpoint, at port: UInt16, _ number: Int) {
    let (end, other) = (ends[number], ends[1 - number])
    guard port == Self.port || end.sockets.contains(port) else { return }
    guard let probe = Probe(bytes) else {
      // A handshake of QUIC, of one datagram in each direction.
      if bytes == [1], end.schedule.hasMet(other.node, at: sender) {
        end.quic = sender
        end.host.send([2], from: port, to: sender)
      } else if bytes == [2] {
        end.quic = sender
        for index in ends.indices { input(index) { [self] in $0.linked(ends[1 - index].node, now: $1) } }
      }
      return
    }
    if probe.kind == .observed {
      perform(end.observers?.received(probe, bytes, at: clock.now) ?? [], number)
    } else {
      input(number) { $0.received(probe, bytes, from: sender, at: port == Self.port ? nil : port, now: $1) }
    }
  }

  private func perform(_ actions: [UDPObservers.Action], _ number: Int) {
    for action in actions {
      switch action {
      case .send(let datagram): ends[number].host.send(datagram.bytes, from: Self.port, to: datagram.endpoint)
      case .seen(let endpoint, let observer): _ = ends[number].outsideUDP.record(endpoint, by: observer)
      case .unseen(let observer): _ = ends[number].outsideUDP.forget(observer)
      }
    }
    if !actions.isEmpty { describe(number) }
  }

  /// Asks the bootstrap nodes from time to time.
  private func observe(for number: Int, at due: Instant) {
    clock.after(due - clock.now) { [weak self] in
      guard let self else { return }
      perform(ends[number].observers?.wake(at: clock.now) ?? [], number)
      if let next = ends[number].observers?.wakeAt { observe(for: number, at: max(next, clock.now + .milliseconds(1))) }
    }
  }

  private func dial(_ place: PunchSchedule.ProvedPlace, _ number: Int) {
    ends[number].host.send([1], from: place.source ?? Self.port, to: place.endpoint)
    clock.after(.seconds(10)) { [weak self] in
      guard let self, ends[number].quic == nil else { return }
      input(number) { $0.dialFailed(place, at: $1) }
    }
  }

  // MARK: Meeting

  /// An end has agreed on a connection. It becomes a link once the other end has, too.
  private func agreed(_ number: Int, _ round: PunchRound, _ socket: SimSocket) {
    ends[number].connections.append((round, socket))
    socket.onEnd = { [weak self] in
      self?.ends[number].connections.removeAll { $0.socket === socket }
      self?.input(number) { $0.failed(round.peer, session: round.session, round: round.number, at: $1) }
    }
    guard !round.isControlling, ends[1 - number].connections.contains(where: { $0.socket === socket.peer }) else {
      return
    }
    for end in ends.indices { input(end) { [self] in $0.linked(ends[1 - end].node, at: nil, now: $1) } }
  }

  /// Both are seen by the bootstrap nodes, and then, unless `isLinking` is false, linked through the relay.
  func meet(isLinking: Bool = true) {
    for (number, end) in ends.enumerated() {
      if end.observers != nil { observe(for: number, at: clock.now) }
      for observer in observers { see(end, from: observer, port: Self.port) { self.seen(number, $0, by: $1) } }
      _ = clock.run(for: .milliseconds(300))
    }
    _ = clock.run(for: .seconds(1))
    if isLinking { linkByRelay() }
  }

  /// The relayed link is up at both ends.
  func linkByRelay() { for number in ends.indices { want(number) } }

  func want(_ number: Int) {
    input(number) { [self] in $0.want(ends[1 - number].node, over: [reachLink(number)], at: $1) }
  }

  /// Where the first bootstrap node, which relays, sees the other end.
  func reachLink(_ number: Int) -> ReachLink {
    ReachLink(
      id: link, binding: [7, 7, 7], seen: Array(ends[1 - number].outside.endpoints.prefix(1)),
      roundTrip: knowsRoundTrip ? relayDelay * 2 : nil, carriesWork: carriesWork)
  }

  private func see(_ end: End, from observer: SimHost, port: UInt16?, _ done: @escaping (Endpoint, NodeID) -> Void) {
    guard let place = Endpoint(host: observer.address, port: 443) else { return }
    let id = NodeID.filled(with: UInt8(100 + (observers.firstIndex { $0 === observer } ?? 0)))
    end.host.dial(from: port, to: place) { result in
      if case .success(let socket) = result, let peer = socket.peer { done(peer.remote, id) }
    }
  }

  private func seen(_ number: Int, _ endpoint: Endpoint, by observer: NodeID) {
    let end = ends[number]
    _ = end.outside.record(endpoint, by: observer)
    describe(number)
  }

  /// Tells the schedule what is known about the machine.
  private func describe(_ number: Int) {
    let end = ends[number]
    let datagrams = end.observers.map {
      OwnSide.Datagrams(
        outside: end.outsideUDP, port: Self.port, isBlocked: $0.isBlocked, guessesPorts: guessesPorts)
    }
    let own = OwnSide(outside: end.outside, port: Self.port, interfaces: [], networks: [], datagrams: datagrams)
    input(number) { $0.setOwn(own, at: $1) }
  }

  // MARK: Driving

  func input(_ number: Int, _ body: (inout PunchSchedule, Instant) -> [PunchSchedule.Action]) {
    for action in body(&ends[number].schedule, clock.now) { perform(action, number) }
    scheduleWake(number)
  }

  private func scheduleWake(_ number: Int) {
    wakeNumbers[number] += 1
    let wake = wakeNumbers[number]
    guard let due = ends[number].schedule.wakeAt else { return }
    clock.after(due - clock.now) { [weak self] in
      guard let self, wakeNumbers[number] == wake else { return }
      input(number) { $0.wake(at: $1) }
    }
  }

  private func perform(_ action: PunchSchedule.Action, _ number: Int) {
    let end = ends[number]
    switch action {
    case .send(_, let message):
      end.sent.append(message)
      guard !end.isMuted else { return }
      clock.after(relayDelay) { [weak self] in self?.deliver(message, to: 1 - number) }
    case .punch(let round):
      end.rounds.append(round)
      end.puncher.punch(round)
    case .cancel(let peer): end.puncher.cancel(peer)
    case .quiet: break
    case .observe: observe(number)
    case .probe(let datagram):
      end.probes.append(datagram)
      end.host.send(
        datagram.bytes, from: datagram.source ?? Self.port, to: datagram.endpoint, isNear: datagram.hopLimit != nil)
    case .openSockets(_, let opening):
      end.openings.append(clock.now)
      for index in 0..<opening.count {
        let port = UInt16(20_000 + index)
        end.sockets.insert(port)
        end.host.send(opening.datagram.bytes, from: port, to: opening.datagram.endpoint, isNear: true)
      }
    case .keepSocket(_, let port): end.sockets = [port]
    case .closeSockets: end.sockets = []
    case .dial(let place): dial(place, number)
    }
  }

  func deliver(_ message: ControlMessage, to number: Int) {
    input(number) { [self] in
      $0.received(message, from: ends[1 - number].node, over: reachLink(number), at: $1)
    }
  }

  private func observe(_ number: Int) {
    var isDone = false
    see(ends[number], from: observers[1], port: nil) { [weak self] endpoint, _ in
      isDone = true
      // The handshake and hello, before the answer is there.
      self?.clock.after(.milliseconds(100)) { [weak self] in self?.input(number) { $0.observed(endpoint, at: $1) } }
    }
    clock.after(.seconds(3)) { [weak self] in if !isDone { self?.input(number) { $0.observed(nil, at: $1) } } }
  }

  // MARK: Results

  /// Whether both ends agree on one connection over TCP, or by QUIC.
  var isConnected: Bool { isConnectedByTCP || ends.allSatisfy { $0.quic != nil } }

  var isConnectedByTCP: Bool {
    guard let one = ends[0].connections.last, let other = ends[1].connections.last else { return false }
    return one.socket.peer === other.socket && one.socket.isOpen && other.socket.isOpen
  }

  /// The larger of the numbers of rounds.
  var rounds: Int { ends.map(\.rounds.count).max() ?? 0 }

  func run(for time: Duration) { _ = clock.run(for: time) { isConnected } }

  func dismantle() {
    clock.clear()
    internet.dismantle()
  }
}
