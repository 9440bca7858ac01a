import APIModel
import Diagnostics
import EventLoop
import Files
import Gateway
import LocalAPI
import Primitives

/// The servers through which clients use the node: the local one, and if the owner wants them, one for other machines and
/// the gateway.
struct APIServers: Sendable {
  private let local: LocalAPIServer
  private let remote: LocalAPIServer?
  private let gateway: GatewayServer?

  /// Starts them.
  ///
  /// - Throws: `alreadyRunning`, naming the daemon that holds the port, if there is one.
  init(for node: Node, loop: EventLoop, log: Log) async throws(KacheryError) {
    let configuration = node.configuration
    let group = try configuration.group()
    let storage = configuration.storageDirectory
    let token = try ClientToken(path: "\(storage)/client-auth", group: group?.number)
    let socket = SocketAccess(path: "\(storage)/\(APIVersion.socketName)", owner: FileSystem.user, group: group)
    let reading = try RemoteAPI.readingToken(configuration)
    let (host, wanted) = (configuration.apiHost, configuration.apiPort)
    do throws(KacheryError) {
      local = try LocalAPIServer(
        loop: loop, node: node, host: host, port: wanted, access: .storageDirectory(token),
        reading: reading, socket: socket, policy: AccessPolicy(), log: log)
    } catch {
      throw try await loop.onPool { PortHolder.named(error, host: host, port: wanted) }
    }
    try await local.start()
    remote = try await RemoteAPI.start(for: node, loop: loop, log: log)
    gateway = try await SharedFiles.startGateway(for: node, loop: loop, log: log)
  }

  /// The port of the local API.
  var port: UInt16 { get async { await local.port } }

  func stop() async {
    await local.stop()
    await remote?.stop()
    await gateway?.stop()
  }
}

extension DaemonConfiguration {
  /// The group whose members may use the daemon; nil if only its own user may.
  func group() throws(KacheryError) -> SocketAccess.Group? {
    guard let name = authorizedGroup else { return nil }
    guard let group = FileSystem.group(named: name) else {
      throw KacheryError(
        .badConfiguration, "There is no group '\(name)' on this machine; correct --auth-group.")
    }
    return SocketAccess.Group(number: group, name: name)
  }
}
