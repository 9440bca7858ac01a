import Discovery
import EventLoop
import Primitives

/// The two sockets at one address of this machine: one receives what is sent to the group, the other sends, and receives
/// answers. With ports of their own, several nodes of one machine receive their answers. Bound to the loop.
final class LocalOutlet {
  let place: LocalPlace
  /// A datagram and the socket that sent it.
  var onDatagram: ([UInt8], Endpoint) -> Void = { _, _ in }

  private let group: String
  private let receiver: UDPSocket
  private let sender: UDPSocket

  /// Joins the group at the interface's address.
  ///
  /// - Throws: an error if the interface carries no multicast, or has lost the address.
  init(_ interface: NetworkInterface, on loop: EventLoop) throws(KacheryError) {
    let isIPv6 = interface.address.bytes.count == 16
    place = LocalPlace(
      host: interface.host, address: interface.address, network: interface.network,
      zone: isIPv6 ? ByteString(interface.name) : nil)
    group = isIPv6 ? LocalAnnouncer.groupIPv6 : LocalAnnouncer.groupIPv4
    let host = place.qualified(place.host)
    receiver = try UDPSocket.receive(on: loop, group: group, port: LocalAnnouncer.port, at: host)
    do throws(KacheryError) {
      sender = try UDPSocket.bind(on: loop, host: host, port: 0)
    } catch {
      receiver.close()
      throw error
    }
    do throws(KacheryError) {
      try sender.sendToGroups(at: host)
    } catch {
      close()
      throw error
    }
    for socket in [receiver, sender] {
      socket.onDatagram = { [weak self] datagram, from in self?.onDatagram(datagram, from) }
    }
  }

  func resumeReceiving() { for socket in [receiver, sender] { socket.resumeReceiving() } }

  func pauseReceiving() { for socket in [receiver, sender] { socket.pauseReceiving() } }

  /// Sends a datagram to the group.
  func announce(_ datagram: [UInt8]) {
    sender.send(datagram, to: place.qualified(group), port: LocalAnnouncer.port)
  }

  /// Sends a datagram to one node.
  func answer(_ datagram: [UInt8], to source: LocalSource) {
    sender.send(datagram, to: place.qualified(source.socket.host), port: source.socket.port)
  }

  func close() {
    receiver.close()
    sender.close()
  }
}
