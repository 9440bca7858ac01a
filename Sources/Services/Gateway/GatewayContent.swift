package import Primitives

/// What the gateway may share.
package protocol GatewayContent: Sendable {
  /// The file, which is here or at members of the channels that are named for the gateway.
  ///
  /// - Parameter client: the IPv4 address of the client, for which other nodes may have to be asked.
  /// - Throws: `notFound` also if the file is here and the gateway may not share it; `sourceBusy` if too many files are
  ///   being looked for.
  func open(_ key: FileKey, for client: UInt32) async throws(KacheryError) -> any GatewayFile
}

/// A file that the gateway may share, whether it is here or not.
package protocol GatewayFile: Sendable {
  /// In bytes.
  var size: UInt64 { get }
  /// The bytes of a range within the file.
  func bytes(_ range: ByteRange) throws(KacheryError) -> any GatewayBytes
}

/// A range of a file, block by block.
package protocol GatewayBytes: Sendable {
  /// Total number of bytes.
  var count: UInt64 { get }
  /// The block that starts `offset` bytes into the range, of at most `Limits.blockSize` bytes. Waits until it may be sent.
  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8]
}
