import Glibc
package import Primitives

/// The journal of the service manager (systemd-journald).
package enum Journal {
  /// Whether what this descriptor takes goes to the journal.
  ///
  /// - Parameter environment: `JOURNAL_STREAM` has the device and the inode of the stream; a program that has redirected
  ///   its output still has the variable (systemd.exec(5)).
  package static func receives(_ descriptor: Int32, _ environment: [ByteString: String]) -> Bool {
    guard let (device, inode) = environment["JOURNAL_STREAM"].map({ $0.cut(at: ":") }), let inode else { return false }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return UInt64(device) == UInt64(status.st_dev) && UInt64(inode) == UInt64(status.st_ino)
  }

  /// Where the journal receives entries that have fields.
  package static let address = "/run/systemd/journal/socket"

  /// Sends an entry. Returns whether the journal has taken it; if it is busy, or not there, the entry has to go elsewhere.
  package static func send(_ entry: JournalEntry, to address: String = address) -> Bool {
    LocalDatagram.send(entry.datagram, to: address)
  }
}
