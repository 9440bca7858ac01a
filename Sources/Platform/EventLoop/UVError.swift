internal import CUV
import Primitives

/// Turns libuv's results into errors.
enum UVError {
  /// Throws if `result` is negative. `action` completes the sentence "… failed while".
  static func check(_ result: Int32, _ action: @autoclosure () -> String) throws(KacheryError) {
    guard result < 0 else { return }
    throw error(result, action())
  }

  static func error(_ result: Int32, _ action: String) -> KacheryError {
    var text = [CChar](repeating: 0, count: 128)
    uv_strerror_r(result, &text, text.count)
    let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return KacheryError(code(result), "\(action): \(reason).")
  }

  private static func code(_ result: Int32) -> KacheryError.Code {
    switch uv_errno_t(result) {
    case UV_ETIMEDOUT: .timedOut
    case UV_ECANCELED: .cancelled
    case UV_EADDRINUSE: .alreadyRunning
    case UV_EACCES, UV_EPERM: .permissionDenied
    case UV_EINVAL, UV_EADDRNOTAVAIL: .badConfiguration
    default: .disconnected
    }
  }
}
