import Diagnostics
import EventLoop
import Files
import NodeCore
import PortMapping
import Primitives
import Traversal

/// Asks the router of this machine's network to lead ports to this node, as the core decides. Bound to the loop.
final class PortMapper {
  /// How long the router may take: a NAT-PMP router answers within 1.75 s or not at all, and UPnP begins with a search of
  /// up to 2 s.
  private static let times: [PortMappingProtocol: Duration] = [.natPMP: .seconds(3), .upnp: .seconds(5)]
  /// How long it may take to remove the mapping while the node stops.
  private static let removalTime: Duration = .seconds(2)
  private static let maximumTableSize = 1 << 20

  private let driver: CoreDriver
  private let loop: EventLoop
  private let log: Log
  private let questions = RouterQuestions()
  private var mapped: [Endpoint?] = [nil, nil]

  init(driver: CoreDriver, loop: EventLoop, log: Log) {
    self.driver = driver
    self.loop = loop
    self.log = log
  }

  /// Uses these protocols from now on; none to ask no router.
  func use(_ methods: [PortMappingProtocol]) { driver.input { $0.setMappingMethods(methods, at: $1) } }

  /// The machine may be in another network: these are its interfaces.
  func follow(_ interfaces: [NetworkInterface]) {
    let table = try? FileSystem.read(DefaultGateway.table, limit: Self.maximumTableSize)
    let router = table.flatMap { DefaultGateway(table: $0) }.flatMap { Self.router(at: $0, among: interfaces) }
    driver.input { $0.setRouter(router, at: $1) }
  }

  /// The router at this gateway, if one of the interfaces is in its network.
  static func router(at gateway: DefaultGateway, among interfaces: [NetworkInterface]) -> MappingLease.Router? {
    let name = ByteString(gateway.interface)
    let own = interfaces.first { ByteString($0.name) == name && $0.network.contains(gateway.address) }
    return own.map {
      MappingLease.Router(gateway: gateway.address, interface: gateway.interface, own: $0.address)
    }
  }

  func ask(_ number: UInt64, _ question: PortMappingQuestion) {
    let limit = Self.times[question.method] ?? Self.removalTime
    loop.work { [questions] in
      questions.ask(question, within: limit)
    } then: { [self] answer in
      driver.input { $0.mappingAnswered(number, question.transport, answer, at: $1) }
      note()
    }
  }

  /// Removes the mappings, and asks no more.
  func stop() {
    questions.cancel()
    for removal in driver.read({ $0.mappingRemovals }) {
      loop.work {
        RouterQuestions().ask(removal, within: Self.removalTime)
      } then: { _ in
      }
    }
  }

  private func note() {
    let now = driver.now
    let network = driver.read { $0.networkSummary(at: now) }
    let new = [network.mapping, network.datagramMapping].map { state in
      if case .mapped(_, let endpoint) = state { endpoint } else { nil as Endpoint? }
    }
    defer { mapped = new }
    for (name, endpoints) in zip(["TCP", "UDP"], zip(mapped, new)) where endpoints.0 != endpoints.1 {
      if let endpoint = endpoints.1 { log.info("The router leads \(endpoint) to this node (\(name)).") }
    }
  }
}
