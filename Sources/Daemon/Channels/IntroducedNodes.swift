import APIModel
import Diagnostics
import Discovery
import EventLoop
import NodeCore
import Primitives

/// Whom this node introduces, if it is a bootstrap node and its keeper limits that. Bound to the loop.
final class IntroducedNodes {
  private let secrets: ChannelSecrets
  private let driver: CoreDriver
  private let log: Log
  private let isBootstrap: Bool
  /// The names in effect, or that are about to be; nil if nothing was read yet.
  private var names: [String]??
  private var waiting: [() -> Void] = []
  private var isPending = false

  init(_ secrets: ChannelSecrets, driver: CoreDriver, log: Log, isBootstrap: Bool) {
    self.secrets = secrets
    self.driver = driver
    self.log = log
    self.isBootstrap = isBootstrap
  }

  /// Limits introductions to the nodes and channels with these names, once the channels' secrets are derived.
  ///
  /// - Parameter new: node IDs, and names or addresses of channels; nil for no limit.
  func use(_ new: [String]?, on loop: EventLoop) {
    guard names != .some(new) else { return }
    names = .some(new)
    guard isBootstrap else {
      if new != nil { log.warning("introduceOnly in kachery.yaml has no effect: this is not a bootstrap node.") }
      return
    }
    guard let new else { return apply(nil) }
    let nodes = Set(new.compactMap { NodeID(hex: $0) })
    let channels = Set(new.filter { NodeID(hex: $0) == nil }.map { JoinedChannel.followingLatest(ByteString($0)) })
      .sorted()
    var derived: [ChannelSecret] = []
    isPending = true
    guard !channels.isEmpty else { return apply(IntroductionLimit(nodes: nodes, channels: [])) }
    for channel in channels {
      secrets.secret(
        of: channel,
        then: loop.receiver { [self] secret in
          derived.append(secret)
          guard derived.count == channels.count, names == .some(new) else { return }
          apply(IntroductionLimit(nodes: nodes, channels: derived))
        })
    }
  }

  /// Calls `then` once the limit is in effect.
  func whenSettled(_ then: @escaping () -> Void) {
    if isPending { waiting.append(then) } else { then() }
  }

  private func apply(_ limit: IntroductionLimit?) {
    driver.input { $0.setIntroductionLimit(limit, at: $1) }
    let whom = driver.read(\.introducesText) ?? ""
    log.info(
      "This bootstrap node introduces \(whom)."
        + (limit == nil ? " --introduce-only, or introduceOnly in kachery.yaml, limits that." : ""))
    isPending = false
    let ready = waiting
    waiting = []
    for then in ready { then() }
  }
}
