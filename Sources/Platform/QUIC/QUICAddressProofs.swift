internal import CNgtcp2
import Crypto
package import Primitives

/// Makes strangers prove that they receive what is sent to their addresses, before this node does any work for them:
/// they must send what a Retry packet contains (RFC 9000, section 8.1.2). Nothing is kept for them meanwhile.
package struct QUICAddressProofs: Sendable {
  /// Only this process can make a proof.
  let secret: [UInt8]

  /// Proofs with a new secret.
  package init() { secret = SecureRandom.bytes(32) }

  /// Whether a client's first packet contains the proof of its address, which is in the kernel's form.
  package func isProved(
    by packet: UnsafeRawBufferPointer, from sender: UnsafeRawBufferPointer, at now: Instant
  ) -> Bool {
    guard let start = packet.bindMemory(to: UInt8.self).baseAddress else { return false }
    return CNgtcp2_has_proof(
      start, packet.count, secret, sender.bindMemory(to: UInt8.self).baseAddress, sender.count, now.nanoseconds) != 0
  }

  /// Writes the Retry packet that asks for the proof. It is smaller than the first packet.
  ///
  /// - Returns: its size; 0 if there is none.
  package func writeRetry(
    to packet: UnsafeRawBufferPointer, from sender: UnsafeRawBufferPointer, into retry: UnsafeMutableRawBufferPointer,
    at now: Instant
  ) -> Int {
    guard let start = packet.bindMemory(to: UInt8.self).baseAddress else { return 0 }
    return CNgtcp2_write_retry(
      start, packet.count, secret, sender.bindMemory(to: UInt8.self).baseAddress, sender.count,
      retry.bindMemory(to: UInt8.self).baseAddress, retry.count, now.nanoseconds)
  }
}
