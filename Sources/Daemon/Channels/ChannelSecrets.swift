import Crypto
import Discovery
import Files
import Primitives
import Threads

/// Derives the secrets of channels, one after another on a thread of its own, and keeps each in a file: a derivation is
/// slow by intention.
actor ChannelSecrets {
  private let worker = ThreadExecutor(name: "secrets")
  private let folder: String
  private let cost: Scrypt.Cost

  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  /// Keeps the secrets in `folder`.
  init(folder: String, cost: Scrypt.Cost = ChannelSecret.cost) {
    self.folder = folder
    self.cost = cost
  }

  /// The secret of the channel with this name or address.
  func secret(of address: ByteString) -> ChannelSecret {
    if let kept = try? FileSystem.read(path(of: address), limit: ChannelSecret.byteCount),
      let secret = ChannelSecret(bytes: kept)
    {
      return secret
    }
    let secret = ChannelSecret(name: address, cost: cost)
    // Without the file, the next start derives it again.
    _ = try? FileSystem.createFolder(folder, permissions: 0o700)
    try? FileSystem.replace(path(of: address), with: secret.bytes, permissions: 0o600)
    return secret
  }

  /// The name covers the cost, so that a secret of another cost is not read.
  private func path(of address: ByteString) -> String {
    let text = "\(cost.iterations) \(cost.blockSize) \(cost.parallelism)\0"
    let digest = SHA256Digest.of(Array("kachery channel secret 2 \(text)".utf8) + Array(address.utf8))
    return "\(folder)/\(Hex.encode(digest)).secret"
  }
}

extension ChannelSecrets {
  /// The secret of the channel with this name or address. `then` is called on the thread of the secrets.
  nonisolated func secret(of address: ByteString, then: @escaping @Sendable (ChannelSecret) -> Void) {
    Task { await self.report(address, then) }
  }

  private func report(_ address: ByteString, _ then: (ChannelSecret) -> Void) { then(secret(of: address)) }
}
