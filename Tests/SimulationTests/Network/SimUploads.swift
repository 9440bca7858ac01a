import NodeCore
import Primitives
import Transfer
import Wire

/// Schedules a simulated node's uploads in blocks, as the daemon does.
final class SimUploads {
  /// In bytes per second; nil for no limit.
  var rate: Double?
  /// Whether waiting nodes are told that they wait.
  var tells = true

  private unowned let node: SimNode
  private unowned let network: SimNetwork
  private var slots = FairQueue<LinkID>(capacity: 8)
  private var waiting: [UInt64: () -> Void] = [:]
  private var isTelling = false

  init(_ node: SimNode, _ network: SimNetwork) {
    self.node = node
    self.network = network
  }

  /// Sends a block of `count` bytes over this link when it is its turn, unless the stream is gone by then.
  func enter(_ link: LinkID, _ hash: ContentHash, _ count: Int, _ body: @escaping () -> Void) {
    let id = slots.add(for: link, hash, cost: count, at: network.clock.now)
    waiting[id] = { [self] in
      body()
      slots.end(id, spent: count, rate: rate, at: network.clock.now)
    }
    tellLater()
    advance()
  }

  private func advance() {
    while let id = slots.next(rate: rate, at: network.clock.now) { waiting.removeValue(forKey: id)?() }
    guard let due = slots.wakeAt(after: network.clock.now) else { return }
    network.clock.after(due - network.clock.now) { [weak self] in self?.advance() }
  }

  private func tellLater() {
    guard tells, !isTelling else { return }
    isTelling = true
    network.clock.after(FairQueue<LinkID>.noticePeriod) { [weak self] in self?.tell() }
  }

  private func tell() {
    isTelling = false
    let notices = slots.notices(at: network.clock.now).sorted {
      ($0.peer.number, $0.hash) < ($1.peer.number, $1.hash)
    }
    for notice in notices {
      node.tell(.waiting(WaitingNotice(hash: notice.hash, others: UInt32(notice.others))), over: notice.peer)
    }
    if !slots.isEmpty { tellLater() }
  }
}
