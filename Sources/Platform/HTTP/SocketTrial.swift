import Glibc
package import Primitives

/// Finds out whether a folder can hold a Unix socket.
package enum SocketTrial {
  /// Listens at this path for a moment.
  ///
  /// - Throws: the reason why the socket of the local API could not be there.
  package static func listen(at path: String) throws(KacheryError) {
    close(try UnixSocket.listen(at: path))
    UnixSocket.remove(path)
  }
}
