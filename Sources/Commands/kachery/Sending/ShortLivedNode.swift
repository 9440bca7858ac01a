import APIModel
import Files
import Invitations
import Primitives
import Process
import Settings

/// A node for one transfer: a daemon that this command has started, with a storage directory of its own, in no channel but
/// the transfer's. It ends when this command does, however that happens.
final class ShortLivedNode {
  /// How long a start may take on a busy machine, in seconds.
  private static let patience = 30.0

  /// Settings of the user's node that do not hold for this one.
  private static let ownSettings: [SettingName] = [
    .label, .apiPort, .apiListen, .authGroup, .gateway, .gatewayChannel, .gatewayOrigin, .port, .alsoListen, .udpPort,
    .websocketPort, .host, .channel, .isBootstrap, .introduceOnly, .logFormat, .verbose,
  ]

  let folder: String
  let client: DaemonClient
  private let process: ChildProcess

  /// - Parameters:
  ///   - folder: its storage directory, which exists.
  ///   - isTemporary: whether it removes the folder when it ends.
  init(in folder: String, isTemporary: Bool) throws(KacheryError) {
    self.folder = folder
    var environment = Environment.all
    // It uses the network as the user's node does, but is another node, in no channel but the transfer's.
    for name in Self.ownSettings {
      for variable in Setting.named(name).variables { environment[ByteString(variable)] = nil }
    }
    environment["KACHERY_STORAGE_DIR"] = folder
    environment["KACHERY_P2P_CONFIG_DIR"] = "\(folder)/config"
    environment["KACHERY_P2P_API_PORT"] = "0"
    let log = "\(folder)/daemon.log"
    let beside = "\(CurrentProcess.program.cut(atLast: "/").head)/kacheryd"
    process = try ChildProcess(
      beside, orNamed: "kacheryd", ["--attached"] + (isTemporary ? ["--temporary"] : []), environment: environment,
      log: log)
    client = try Self.client(of: process, in: folder, log: log)
  }

  private static func client(
    of process: ChildProcess, in folder: String, log: String
  ) throws(KacheryError) -> DaemonClient {
    let start = SteadyClock.seconds
    while SteadyClock.seconds - start < patience {
      if let client = try DaemonClient.inDirectory(folder) { return client }
      if process.hasEnded {
        let lines = String(decoding: (try? FileSystem.read(log, limit: 1 << 20)) ?? [], as: UTF8.self)
          .parts(separatedBy: "\n", omittingEmpty: true)
        throw KacheryError(.failedToStart, "The node for this transfer did not start. \(lines.last ?? "")")
      }
      SteadyClock.sleep(for: .milliseconds(20))
    }
    process.end()
    throw KacheryError(.failedToStart, "The node for this transfer did not start within \(Int(patience)) s.")
  }

  /// Joins the transfer's channel.
  func join(_ secret: TransferSecret, meetingAt meetingPoints: [Address]) throws(KacheryError) {
    var channel = JoinedChannel(address: secret.channel)
    channel.bootstraps = meetingPoints
    try Command.setJoinedChannels([channel], client)
  }

  /// How the node meets others now.
  func meeting() throws(KacheryError) -> MeetingState {
    try client.meeting()
  }

  /// Ends the node, and waits until it has ended.
  func end() { process.end() }
}
