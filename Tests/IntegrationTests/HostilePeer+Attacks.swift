import Crypto
import EventLoop
import Foundation
import Links
import Primitives
import Wire

extension HostilePeer {
  /// What it does for as long as the link exists, as fast as the daemon takes it.
  enum Deed: Sendable {
    /// Sends the same message again and again.
    case message([UInt8])
    /// Sends presence records of nodes that do not exist, each signed by its own key, at this port of this machine.
    case inventedNodes(UInt16)
    /// Opens streams with these bytes, and resets them.
    case openAndReset([UInt8])
    /// Opens this number of streams with these bytes, and takes none of what comes.
    case takeNothing(Int, [UInt8])
    /// Pings.
    case pings
  }

  /// Starts to attack.
  ///
  /// - Parameter rate: deeds in a millisecond, as far as the daemon takes them.
  func attack(by deed: Deed, rate: Int) throws {
    if case .takeNothing(let count, let bytes) = deed {
      for _ in 0..<count { try openWithoutReader(bytes) }
      return
    }
    every(.milliseconds(1)) { peer in
      for _ in 0..<rate where !peer.isCutOff {
        switch deed {
        case .message(let bytes): peer.sayIfThereIsRoom(bytes)
        case .inventedNodes(let port): peer.sayIfThereIsRoom(peer.inventedRecords(at: port))
        case .openAndReset(let bytes): peer.openAndReset(bytes)
        case .pings: peer.ping()
        case .takeNothing: break
        }
      }
    }
  }

  private func inventedRecords(at port: UInt16) -> [UInt8] {
    let now = WallTime(milliseconds: UInt64(Date().timeIntervalSince1970 * 1_000))
    let records = (0..<4).compactMap { _ -> PresenceRecord? in
      guard let key = try? SigningKey.generate() else { return nil }
      var record = PresenceRecord(
        node: key.publicKey, topic: topic, addresses: Endpoint(host: "127.0.0.1", port: port).map { [.tcp($0)] } ?? [],
        issued: now, expires: now + .seconds(300))
      record.signature = key.sign(record.signedBytes)
      return record
    }
    return ControlMessage.presence(records).encoded
  }
}
