import Diagnostics
import Discovery
import EventLoop
import NodeCore
import Primitives

/// Sends and receives the datagrams by which nodes of one local network find each other. Bound to the loop.
final class LocalAnnouncements {
  /// Most places from which a node announces itself: each has two sockets.
  static let maximumPlaces = 16
  /// Datagrams that are read in a second; the kernel drops further ones. The core examines fewer, but a flood must not
  /// occupy the loop either.
  private static let datagramsPerSecond = 1_000

  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private var isStarted = false
  private var hasIPv6 = false
  private var outlets: [NetworkInterface: LocalOutlet] = [:]
  /// Interfaces that cannot be used, such as those that carry no multicast.
  private var unusable: Set<NetworkInterface> = []
  private var reads = SecondlyAllowance(limit: datagramsPerSecond)
  /// Set while nothing is read.
  private var pause: Timer?

  init(driver: CoreDriver, loop: EventLoop, log: Log) {
    self.driver = driver
    self.loop = loop
    self.log = log
  }

  /// From now on the node announces itself on the interfaces that it follows.
  ///
  /// - Parameter listening: the host on which the node listens. It announces itself only if that is all of them.
  func start(listening: String) {
    isStarted = listening == "::" || listening == "0.0.0.0"
    hasIPv6 = listening == "::"
  }

  func stop() {
    isStarted = false
    pause?.cancel()
    pause = nil
    for outlet in outlets.values { outlet.close() }
    outlets = [:]
  }

  /// Announces the node on these interfaces, as far as they lead to other machines, and no longer on others.
  func follow(_ interfaces: [NetworkInterface]) {
    if isStarted { announce(on: Self.usable(interfaces, hasIPv6: hasIPv6)) }
  }

  /// The interfaces, by address, on which a node announces itself: those that lead to other machines. In IPv6 it uses
  /// the link-local address, which every interface has.
  static func usable(_ interfaces: [NetworkInterface], hasIPv6: Bool) -> [NetworkInterface] {
    let usable = interfaces.filter { interface in
      guard !LocalNetworkWatch.isInternal(interface), interface.address.scope != .loopback else { return false }
      return interface.address.bytes.count == 4 || (hasIPv6 && interface.address.isLinkLocal)
    }
    return Array(usable.prefix(maximumPlaces))
  }

  /// Announces the node on exactly these interfaces.
  func announce(on interfaces: [NetworkInterface]) {
    let wanted = Set(interfaces)
    unusable.formIntersection(wanted)
    for (interface, outlet) in outlets where !wanted.contains(interface) {
      outlet.close()
      outlets[interface] = nil
    }
    for interface in interfaces where outlets[interface] == nil { open(interface) }
    let places = Set(outlets.values.map(\.place))
    driver.input { $0.setAnnouncementPlaces(places, at: $1) }
  }

  private func open(_ interface: NetworkInterface) {
    do throws(KacheryError) {
      let outlet = try LocalOutlet(interface, on: loop)
      let place = outlet.place
      outlet.onDatagram = { [weak self] datagram, sender in self?.received(datagram, from: sender, at: place) }
      outlets[interface] = outlet
      unusable.remove(interface)
      if pause == nil { outlet.resumeReceiving() }
    } catch {
      // It may still be coming up, so it is tried again when the interfaces are next looked at.
      guard unusable.insert(interface).inserted else { return }
      log.debug("The node does not announce itself at \(interface.host) (\(interface.name)): \(error)")
    }
  }

  func perform(_ effect: LocalEffect) {
    switch effect {
    case .announce(let datagram): for outlet in outlets.values { outlet.announce(datagram) }
    case .answer(let datagram, let source):
      outlets.values.first { $0.place == source.place }?.answer(datagram, to: source)
    }
  }

  private func received(_ datagram: [UInt8], from sender: Endpoint, at place: LocalPlace) {
    countRead()
    guard let source = LocalSource(sender, at: place) else { return }
    driver.input { $0.received(datagram, from: source, at: $1) }
  }

  private func countRead() {
    reads.take(at: loop.now)
    guard reads.isUsedUp, pause == nil else { return }
    for outlet in outlets.values { outlet.pauseReceiving() }
    pause = loop.after(.seconds(1)) { [weak self] in
      guard let self else { return }
      pause = nil
      for outlet in outlets.values { outlet.resumeReceiving() }
    }
  }
}
