import APIModel
import Foundation
import Primitives
import TestSupport
import Testing

/// Two real daemons of one channel. Attackers connect to either; the two must go on sharing files.
///
/// What strangers may take is counted by their address. The victim is linked to 127.0.0.2, and attackers come from
/// 127.0.0.1.
struct AttackedPair {
  static let channel: ByteString = "hostile-3f2"

  let folder: TemporaryFolder
  /// A bootstrap node.
  let honest: RunningDaemon
  /// A member that is linked to it.
  let victim: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    let options = ["--channel", Self.channel.text, "--nomulticast"]
    honest = try RunningDaemon(in: folder.path("honest"), ["--isbootstrap", "--port", "0"] + options)
    victim = try RunningDaemon(
      in: folder.path("victim"), ["--bootstrap", "127.0.0.2:\(honest.linkPort)", "--port", "0"] + options)
    try victim.waitForLinks(1)
  }

  /// Both run, and a file of this size gets from the bootstrap node to the other.
  func expectToWork(_ size: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    #expect(honest.isRunning && victim.isRunning, sourceLocation: sourceLocation)
    let path = try folder.file("other", bytes: size)
    let key = FileKey(hash: try honest.store(path).hash)
    let loader = Loader(daemon: victim)
    let loaded = try await onOwnThread { try loader.load(key) }
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: loaded), sourceLocation: sourceLocation)
  }
}
