import APIModel
import ContentStore
import Diagnostics
import FeedStore
import Files
import Primitives

/// A node's data on disk: its identity, stored files, mutables and feeds, locked for exclusive use.
struct NodeStorage: Sendable {
  let identity: NodeIdentity
  let store: ContentStore
  let mutables: MutableTable
  let feeds: FeedStore
  let chosenPort: ChosenPort
  let chosenUDPPort: ChosenPort
  let memberAddresses: MemberAddressFile
  private let directory: String
  private let lock: LockFile

  /// Takes over the storage directory, and creates it if it is missing.
  init(_ configuration: DaemonConfiguration, log: Log) throws(KacheryError) {
    directory = configuration.storageDirectory
    try FileSystem.createFolder("\(directory)/kachery-node", permissions: 0o755)
    lock = try LockFile("\(directory)/\(APIVersion.lockName)", protecting: "The storage directory \(directory)")
    chosenPort = ChosenPort(in: "\(directory)/kachery-node")
    chosenUDPPort = ChosenPort(in: "\(directory)/kachery-node", isUDP: true)
    memberAddresses = MemberAddressFile(in: "\(directory)/kachery-node")
    identity = try NodeIdentity(
      storageDirectory: directory, configurationDirectory: configuration.configurationDirectory,
      besides: configuration.apiSecrets)
    store = try ContentStore(
      directory: directory, log: log, indexOwner: identity.key.publicKey,
      clientScope: try configuration.group().map { .group($0.number) } ?? .ownUser)
    mutables = try MutableTable(directory: directory)
    feeds = try FeedStore(directory: directory, mutables: mutables)
  }

  /// Writes the file that clients compare with the reply of `/probe`, to check that the directory is this daemon's.
  func writeNodeID() throws(KacheryError) {
    let path = "\(directory)/kachery-node-id"
    let text = Array(identity.key.publicKey.hex.utf8)
    guard (try? FileSystem.read(path, limit: 1_024)) != text else { return }
    try FileSystem.replace(path, with: text, permissions: 0o644)
  }
}
