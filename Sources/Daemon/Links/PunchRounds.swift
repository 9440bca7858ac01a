import Diagnostics
import EventLoop
import Links
import NodeCore
import Primitives
import Wire

/// The rounds in which this node and another one dial each other at the same moment. Bound to the loop.
final class PunchRounds {
  /// Called for each round that led to a link, with the control stream if the other node opens it.
  var onOpened: (Link, ControlStreams<NodeID>.Accepted?) -> Void = { link, _ in link.close() }

  private let host: LinkHost
  private let driver: CoreDriver
  private let log: Log
  private var attempts: [NodeID: LinkAttempt] = [:]
  /// Links on which the other node has yet to open the control stream.
  private let meeting: ControlStreams<NodeID>

  init(host: LinkHost, driver: CoreDriver, loop: EventLoop, log: Log) {
    self.host = host
    self.driver = driver
    self.log = log
    meeting = ControlStreams(loop: loop)
  }

  /// Carries out a round. Ends an earlier one with the same node.
  func punch(_ round: PunchRound) {
    cancel(round.peer)
    log.debug(
      "Dialing node \(round.peer.short), which dials this one, at \(round.candidates) (round \(round.number)).")
    attempts[round.peer] = host.punch(round, own: driver.read { $0.node }) { [weak self] result in
      self?.ended(round, result)
    }
  }

  private func ended(_ round: PunchRound, _ result: Result<Link, KacheryError>) {
    attempts[round.peer] = nil
    switch result {
    case .failure(let error): failed(round, error.message)
    case .success(let link):
      meeting.add(
        link, as: round.peer, ready: { [weak self] in self?.opened(round, link, $0) ?? link.close() },
        failed: { [weak self] in self?.failed(round, $0) })
    }
  }

  private func opened(_ round: PunchRound, _ link: Link, _ accepted: ControlStreams<NodeID>.Accepted?) {
    let place = link.remoteEndpoint.map { " at \($0)" } ?? ""
    log.info("Node \(round.peer.short) is linked directly\(place): the two nodes dialed each other.")
    onOpened(link, accepted)
  }

  private func failed(_ round: PunchRound, _ reason: String) {
    log.debug("Round \(round.number) with node \(round.peer.short) failed: \(reason)")
    driver.input { $0.punchFailed(round.peer, session: round.session, number: round.number, at: $1) }
  }

  /// Ends the round with this node, without a report. Idempotent.
  func cancel(_ peer: NodeID) {
    attempts.removeValue(forKey: peer)?.cancel()
    meeting.cancel(peer)
  }

  /// Ends all rounds.
  func stop() {
    for peer in meeting.keys.union(attempts.keys) { cancel(peer) }
  }
}
