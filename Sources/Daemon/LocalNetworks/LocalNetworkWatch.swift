import EventLoop
import NodeCore
import Primitives

/// Reports the networks around this machine to the core, at the start and when they change. Bound to the loop.
final class LocalNetworkWatch {
  /// How soon a changed network is noticed, for example after a laptop has moved.
  private static let period: Duration = .seconds(15)
  /// Interfaces that lead only to this machine's containers and virtual machines.
  private static let internalNames = [
    "docker", "br-", "veth", "virbr", "vnet", "lxc", "lxd", "cni", "flannel", "podman",
  ]

  /// Called with all interfaces, at the start and regularly.
  var onInterfaces: ([NetworkInterface]) -> Void = { _ in }

  private let driver: CoreDriver
  private let loop: EventLoop
  private var timer: Timer?
  private var announces = false
  private var hasIPv6 = false

  init(driver: CoreDriver, loop: EventLoop) {
    self.driver = driver
    self.loop = loop
  }

  /// - Parameters:
  ///   - listening: the host on which the node listens; local addresses are announced only if that is all of them.
  ///   - announces: whether the owner lets this machine's addresses be announced.
  func start(listening: String, announces: Bool) {
    self.announces = announces && (listening == "::" || listening == "0.0.0.0")
    hasIPv6 = listening == "::"
    timer = loop.after(Self.period, repeating: Self.period) { [weak self] in self?.look() }
    look()
  }

  func stop() {
    timer?.cancel()
    timer = nil
  }

  private func look() {
    let interfaces = NetworkInterface.all
    let network = Self.network(of: interfaces, announces: announces, hasIPv6: hasIPv6)
    driver.input { $0.setLocalNetwork(network, at: $1) }
    onInterfaces(interfaces)
  }

  /// Whether the interface leads only to this machine's containers and virtual machines.
  static func isInternal(_ interface: NetworkInterface) -> Bool {
    internalNames.contains { interface.name.begins(with: $0) }
  }

  /// The announced addresses, those of sites first, and all networks.
  static func network(of interfaces: [NetworkInterface], announces: Bool, hasIPv6: Bool) -> LocalNetwork {
    let outer = interfaces.filter { interface in
      [.site, .global].contains(interface.address.scope) && !isInternal(interface)
    }
    let announced = outer.filter { announces && (hasIPv6 || $0.address.bytes.count == 4) }
    let inOrder = announced.filter { $0.address.scope == .site } + announced.filter { $0.address.scope == .global }
    return LocalNetwork(hosts: inOrder.map(\.host), networks: outer.map(\.network))
  }
}
