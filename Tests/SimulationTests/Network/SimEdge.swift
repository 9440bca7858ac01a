import Discovery
import NodeCore
import Primitives
import TestSupport
import Wire

/// The machine of a simulated node, in a network that is simulated down to TCP: dials from the node's port, accepts, and
/// carries rounds out.
final class SimEdge {
  /// What goes over a dialed connection first, from each end.
  private enum Handshake {
    case client(SimEdge, DialID, expected: NodeID?)
    case server(NodeID)
  }

  private static let dialTime: Duration = .seconds(10)

  let host: SimHost
  let puncher: SimPuncher
  private unowned let node: SimNode
  private var dials: [DialID: SimSocket] = [:]
  /// The connections that this end has agreed on in rounds.
  fileprivate var agreed: [NodeID: SimSocket] = [:]
  /// How many rounds it was asked to carry out with each node.
  fileprivate(set) var rounds: [NodeID: Int] = [:]

  init(_ host: SimHost, of node: SimNode) {
    self.host = host
    self.node = node
    puncher = SimPuncher(host, port: node.endpoint.port, node: node.id)
    puncher.onOther = { [weak self] socket, message in self?.accept(socket, message) }
    puncher.onFailure = { [weak self] in self?.failed($0) }
    puncher.onConnection = { [weak self] in self?.agreed(on: $1, in: $0) }
  }

  private var network: SimNetwork { node.network }
  private var delay: Duration { host.internet.delay }

  // MARK: Dialing

  /// - Parameter isFromListeningPort: whether it leaves from the port on which the node listens.
  func dial(_ dial: DialID, _ address: Address, _ expected: NodeID?, isFromListeningPort: Bool = true) {
    guard let endpoint = address.tcpEndpoint, IPAddress(endpoint.host) != nil else {
      return network.clock.after(.zero) { [node] in node.dialFailed(dial, address) }
    }
    let life = node.life
    network.clock.after(.zero) { [weak self] in
      guard let self, node.life == life, node.isRunning, !node.hasCancelled(dial) else { return }
      let port = isFromListeningPort ? node.endpoint.port : nil
      let socket = host.dial(from: port, to: endpoint) { [weak self] result in
        guard case .success(let socket) = result else { return self?.fail(dial, address) ?? () }
        self?.meet(socket, dial, address, expected)
      }
      dials[dial] = socket
      network.clock.after(Self.dialTime) { [weak self] in
        guard let self, let late = dials[dial], late === socket else { return }
        late.close()
        fail(dial, address)
      }
    }
  }

  func cancel(_ dial: DialID) { dials.removeValue(forKey: dial)?.close() }

  private func fail(_ dial: DialID, _ address: Address) {
    dials.removeValue(forKey: dial)?.close()
    if !node.hasCancelled(dial) { node.dialFailed(dial, address) }
  }

  /// The connection is up: the two ends prove who they are.
  private func meet(_ socket: SimSocket, _ dial: DialID, _ address: Address, _ expected: NodeID?) {
    socket.onEnd = { [weak self] in self?.fail(dial, address) }
    socket.onData = { [weak self, unowned socket] message in
      guard let self else { return }
      switch message as? Handshake {
      case .server(let id):
        guard expected == nil || expected == id else { return fail(dial, address) }
        dials[dial] = nil
        socket.onData = nil
      // The two dials have met. One of the ends becomes the server.
      case .client where !network.settlesCrossedDials: fail(dial, address)
      case .client(let other, _, _) where other.node.id < node.id:
        dials[dial] = nil
        accept(socket, message)
        node.dialFailed(dial, address)
      case .client: break
      case nil: fail(dial, address)
      }
    }
    socket.send(Handshake.client(self, dial, expected: expected))
  }

  private func accept(_ socket: SimSocket, _ message: Any) {
    guard case .client(let client, let dial, let expected) = message as? Handshake, node.isRunning,
      expected == nil || expected == node.id
    else { return socket.close() }
    socket.send(Handshake.server(node.id))
    socket.onEnd = nil
    network.clock.after(delay * 3) { [weak self, weak client, weak socket] in
      guard let self, let client, let socket, let near = socket.peer, near.isOpen, socket.isOpen else { return }
      connect(client, dial, near, socket, .direct)
    }
  }

  private func connect(_ client: SimEdge, _ dial: DialID?, _ near: SimSocket, _ far: SimSocket, _ path: PathKind) {
    guard client.node.isRunning, node.isRunning, dial.map({ !client.node.hasCancelled($0) }) ?? true else {
      return far.close()
    }
    let link = network.connect(
      client.node, dial, node, delay, path, seenAt: [client.node.id: far.remote, node.id: near.remote])
    (near.onEnd, far.onEnd) = ({ [weak link] in link?.cut() }, { [weak link] in link?.cut() })
    link.onCut = {
      near.close()
      far.close()
    }
  }

  // MARK: Rounds

  func punch(_ round: PunchRound) {
    rounds[round.peer, default: 0] += 1
    agreed[round.peer] = nil
    puncher.punch(round)
  }

  private func failed(_ round: PunchRound) {
    node.input { $0.punchFailed(round.peer, session: round.session, number: round.number, at: $1) }
  }

  private func agreed(on socket: SimSocket, in round: PunchRound) {
    agreed[round.peer] = socket
    socket.onEnd = { [weak self] in self?.failed(round) }
    guard !round.isControlling else { return }
    network.clock.after(delay * 3) { [weak self, weak socket] in
      guard let self, let socket, socket.isOpen, let near = socket.peer, near.isOpen,
        let client = network.node(round.peer)?.edge, client.agreed[node.id] === near
      else { return }
      connect(client, nil, near, socket, .punched)
    }
  }
}

extension SimNode {
  /// Carries a round out; without an edge it leads nowhere.
  func punch(_ round: PunchRound) {
    if let edge { return edge.punch(round) }
    input { $0.punchFailed(round.peer, session: round.session, number: round.number, at: $1) }
  }
}

extension SimNetwork {
  /// Dials a bootstrap node from a port that was not used before.
  func observe(_ node: SimNode, _ dial: DialID, _ endpoint: Endpoint, _ expected: NodeID) {
    guard let edge = node.edge else { return self.dial(node, dial, .tcp(endpoint), expected) }
    edge.dial(dial, .tcp(endpoint), expected, isFromListeningPort: false)
  }
}
