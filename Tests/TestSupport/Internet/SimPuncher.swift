package import Primitives
package import Wire

/// Carries out rounds on a simulated machine, as the daemon does.
package final class SimPuncher {
  /// What goes over a connection first.
  enum Greeting {
    case preamble(sender: NodeID, session: UInt32, key: [UInt8])
    case chosen
  }

  private static let roundTime: Duration = .seconds(1)
  private static let redialPause: Duration = .milliseconds(20)
  private static let redials = 8
  /// How long the other end of an accepted connection may take to say what it is for. Two dials that are given up as
  /// their SYNs cross leave a connection that both ends have accepted.
  private static let greetingTime: Duration = .seconds(5)

  private final class Round {
    let round: PunchRound
    var dials: [SimSocket] = []
    /// Connections that are not agreed on.
    var connections: [SimSocket] = []
    var isOver = false
    var winner: SimSocket?

    init(_ round: PunchRound) { self.round = round }
  }

  /// Called once a connection is agreed on, also for a round that has already failed.
  package var onConnection: (PunchRound, SimSocket) -> Void = { _, _ in }
  package var onFailure: (PunchRound) -> Void = { _ in }
  /// Called with the first message on a connection that belongs to no round.
  package var onOther: (SimSocket, Any) -> Void = { socket, _ in socket.close() }
  /// SYNs of all rounds.
  package private(set) var dialed: [Endpoint] = []

  private let host: SimHost
  private let port: UInt16
  private let node: NodeID
  private var rounds: [NodeID: Round] = [:]

  /// A puncher that listens on this port and dials from it.
  package init(_ host: SimHost, port: UInt16, node: NodeID) {
    self.host = host
    self.port = port
    self.node = node
    host.listen(on: port) { [weak self] in self?.greet($0) }
  }

  package func punch(_ wanted: PunchRound) {
    let round = Round(wanted)
    // Connections of the last round may still be agreed on.
    round.connections = rounds[wanted.peer]?.connections ?? []
    end(rounds[wanted.peer])
    rounds[wanted.peer] = round
    for endpoint in wanted.candidates { dial(endpoint, round, Self.redials) }
    host.internet.clock.after(Self.roundTime) { [weak self] in
      guard let self, !round.isOver else { return }
      end(round)
      onFailure(wanted)
    }
  }

  /// Stops the round with this node.
  package func cancel(_ peer: NodeID) {
    guard let round = rounds.removeValue(forKey: peer) else { return }
    end(round)
    for connection in round.connections where connection !== round.winner { connection.close() }
  }

  private func end(_ round: Round?) {
    round?.isOver = true
    for dial in round?.dials ?? [] where !dial.isOpen { dial.close() }
    round?.dials = []
  }

  private func dial(_ endpoint: Endpoint, _ round: Round, _ redials: Int) {
    dialed.append(endpoint)
    let socket = host.dial(from: port, to: endpoint) { [weak self] result in
      guard let self, !round.isOver else {
        if case .success(let socket) = result { socket.close() }
        return
      }
      switch result {
      case .success(let socket): greet(socket, for: round)
      case .failure(.refused) where redials > 0:
        host.internet.clock.after(Self.redialPause) { [weak self] in
          if !round.isOver { self?.dial(endpoint, round, redials - 1) }
        }
      case .failure: break
      }
    }
    if let socket { round.dials.append(socket) }
  }

  // MARK: Connections

  /// A connection that another machine has opened: its first message says what it is for.
  private func greet(_ socket: SimSocket) {
    var isGreeted = false
    host.internet.clock.after(Self.greetingTime) { [weak socket] in if !isGreeted { socket?.close() } }
    socket.onData = { [weak self, unowned socket] message in
      isGreeted = true
      guard let self else { return }
      guard case .preamble(let sender, let session, let key) = message as? Greeting else {
        return onOther(socket, message)
      }
      guard let round = rounds[sender], round.round.session == session, round.round.key == key else {
        return socket.close()
      }
      greet(socket, for: round)
      agree(on: socket, round)
    }
  }

  private func sendPreamble(of round: Round, on socket: SimSocket) {
    socket.send(Greeting.preamble(sender: node, session: round.round.session, key: round.round.key))
  }

  private func greet(_ socket: SimSocket, for round: Round) {
    sendPreamble(of: round, on: socket)
    adopt(socket, round)
  }

  private func adopt(_ socket: SimSocket, _ round: Round) {
    round.connections.append(socket)
    socket.onEnd = { [weak round, unowned socket] in round?.connections.removeAll { $0 === socket } }
    let peer = round.round.peer
    socket.onData = { [weak self, unowned socket] message in
      guard let self, let round = rounds[peer] else { return socket.close() }
      switch message as? Greeting {
      case .preamble(let sender, let session, let key):
        // Preambles of other rounds may come before.
        guard sender == peer, session == round.round.session, key == round.round.key else { return }
        agree(on: socket, round)
      case .chosen: chosen(socket, round)
      case nil: socket.close()
      }
    }
  }

  /// The other end is the right node: the controlling one chooses the first such connection.
  private func agree(on socket: SimSocket, _ round: Round) {
    guard round.round.isControlling, round.winner == nil else { return }
    socket.send(Greeting.chosen)
    chosen(socket, round)
  }

  private func chosen(_ socket: SimSocket, _ round: Round) {
    guard round.winner == nil else { return }
    round.winner = socket
    end(round)
    for connection in round.connections where connection !== socket { connection.close() }
    rounds[round.round.peer] = nil
    socket.onData = nil
    onConnection(round.round, socket)
  }
}
