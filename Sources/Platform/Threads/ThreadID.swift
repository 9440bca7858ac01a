import Glibc

/// Identifies a thread for as long as it runs.
package struct ThreadID: Hashable, Sendable {
  /// Never 0.
  let bits: UInt

  /// The thread that calls this.
  package static var current: ThreadID { ThreadID(bits: UInt(bitPattern: Int(pthread_self()))) }
}
