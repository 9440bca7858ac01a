internal import COpenSSL
import Primitives

/// Reads and writes the plaintext of OpenSSL sessions whose handshakes are complete.
enum TLSRecords {
  /// Passes all plaintext that is available to `deliver`, through `scratch`.
  ///
  /// - Parameter failure: the message if the other side sends bytes that are not of the session.
  /// - Returns: whether the other side has ended the session with close_notify.
  static func read(
    from session: OpaquePointer, scratch: UnsafeMutableRawBufferPointer, orThrow failure: String,
    _ deliver: (UnsafeRawBufferPointer) -> Void
  ) throws(KacheryError) -> Bool {
    while true {
      ERR_clear_error()
      let count = SSL_read(session, scratch.baseAddress, Int32(clamping: scratch.count))
      guard count <= 0 else {
        deliver(UnsafeRawBufferPointer(rebasing: scratch.prefix(Int(count))))
        continue
      }
      switch SSL_get_error(session, count) {
      case SSL_ERROR_WANT_READ: return false
      case SSL_ERROR_ZERO_RETURN: return true
      default: throw TLSError.capture(failure)
      }
    }
  }

  /// Encrypts bytes.
  ///
  /// - Parameter failure: the message if that is impossible.
  static func write(
    _ plaintext: UnsafeRawBufferPointer, to session: OpaquePointer, orThrow failure: String
  ) throws(KacheryError) {
    var rest = plaintext[...]
    while !rest.isEmpty {
      ERR_clear_error()
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let count = SSL_write(session, piece.baseAddress, Int32(clamping: piece.count))
      guard count > 0 else { throw TLSError.capture(failure) }
      rest = rest.dropFirst(Int(count))
    }
  }
}
