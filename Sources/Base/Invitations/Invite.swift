import Crypto
package import Primitives

/// What a new member of a channel needs, in one line: the channel, the bootstrap nodes at which its members meet, and
/// until when the invite is to be followed.
///
///     kachery-invite-1-BASE64URL(length, its check byte, body, checksum)
///
/// The checksum is the beginning of the SHA-256 of everything before it. The check byte tells a line that was cut off from
/// one in which the length itself was mistyped.
package struct Invite: Hashable, Sendable {
  /// Most bytes of a channel's name or address.
  package static let maximumChannelBytes = 1_000
  /// Most bootstrap nodes: the node that follows the invite dials all of them.
  package static let maximumBootstraps = 16
  /// Most characters of the line.
  package static let maximumLength = 8_192

  private static let beginning = "kachery-invite-"
  private static let version = "1"
  private static let checksumLength = 6

  package let channel: ByteString
  package let bootstraps: [Address]
  /// Seconds since 1970; nil if the invite does not expire.
  package let expires: UInt64?

  /// - Throws: `tooLarge` if the channel's name is too long, or there are too many bootstrap nodes.
  package init(channel: ByteString, bootstraps: [Address], expires: UInt64? = nil) throws(KacheryError) {
    guard channel.utf8.count <= Self.maximumChannelBytes else {
      throw KacheryError(.tooLarge, "A channel in an invite has at most \(Self.maximumChannelBytes) bytes.")
    }
    guard bootstraps.count <= Self.maximumBootstraps else {
      throw KacheryError(.tooLarge, "An invite names at most \(Self.maximumBootstraps) bootstrap nodes.")
    }
    self.channel = channel
    self.bootstraps = bootstraps
    self.expires = expires == 0 ? nil : expires
  }

  /// Whether the invite is not to be followed any more.
  package func hasExpired(at now: WallTime) -> Bool { expires.map { $0 <= now.milliseconds / 1_000 } ?? false }

  // MARK: The line

  /// Letters, digits, `-` and `_` only.
  package var line: String {
    var body = ByteWriter()
    body.integer(expires ?? 0)
    body.bytes(channel.utf8)
    body.list(bootstraps) { (writer, address) in writer.bytes(address.encoded) }
    return Self.line(body: body.bytes)
  }

  /// A body of at most 65,535 bytes, in an envelope.
  static func line(body: [UInt8]) -> String {
    var bytes = ByteWriter()
    let length = UInt16(body.count)
    bytes.integer(length)
    bytes.integer(check(length))
    bytes.raw(body)
    bytes.raw(checksum(bytes.bytes))
    return "\(beginning)\(version)-\(Base64URL.encode(bytes.bytes))"
  }

  /// Whether the text is meant to be an invite, of whatever version and however damaged.
  package static func isMeant(by text: String) -> Bool { stripped(text).begins(with: beginning) }

  /// Reads an invite. White space is ignored: mail programs break lines.
  ///
  /// - Throws: `badRequest` with what is wrong: it is no invite, of a later version, cut off, or mistyped.
  package init(_ text: String) throws(KacheryError) {
    let line = Self.stripped(text)
    guard let rest = line.removing(prefix: Self.beginning) else {
      throw KacheryError(.badRequest, "This is not an invite, which begins with '\(Self.beginning)'.")
    }
    let (version, data) = rest.cut(at: "-")
    guard let data else { throw Self.cut }
    guard version == Self.version else {
      guard !version.isEmpty, version.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { throw Self.mistyped }
      throw KacheryError(
        .badRequest, "The invite has version \(version); this program reads version \(Self.version). Upgrade kachery.")
    }
    guard line.utf8.count <= Self.maximumLength else {
      throw KacheryError(.badRequest, "The invite is too long; an invite has at most \(Self.maximumLength) characters.")
    }
    guard let bytes = Base64URL.decode(data) else { throw Self.mistyped }
    try self.init(bytes)
  }

  private init(_ bytes: [UInt8]) throws(KacheryError) {
    let body: ArraySlice<UInt8>
    do {
      var reader = ByteReader(bytes)
      let length: UInt16 = try reader.integer()
      guard try reader.byte() == Self.check(length) else { throw Self.mistyped }
      body = try reader.take(Int(length))
      let checksum = try reader.take(Self.checksumLength)
      let covered = bytes.prefix(bytes.count - reader.remaining - Self.checksumLength)
      guard reader.remaining == 0, checksum.elementsEqual(Self.checksum(Array(covered))) else { throw Self.mistyped }
    } catch let error as KacheryError {
      throw error
    } catch {
      throw Self.cut
    }
    try self.init(body: body)
  }

  /// Reads bytes whose checksum is right. They may still be made by another program.
  private init(body: ArraySlice<UInt8>) throws(KacheryError) {
    var reader = ByteReader(body)
    do {
      let expires: UInt64 = try reader.integer()
      self.expires = expires == 0 ? nil : expires
      channel = ByteString(try reader.text(limit: Self.maximumChannelBytes))
      bootstraps = try reader.list(limit: Self.maximumBootstraps) { (reader) throws(ByteReaderError) in
        let address = try Address.decode(try reader.bytes(limit: Address.maximumBytes))
        guard let address, address.tcpEndpoint != nil || address.webSocketEndpoint != nil else { throw .malformed }
        return address
      }
      guard reader.remaining == 0, !channel.isEmpty else { throw ByteReaderError.malformed }
    } catch {
      throw KacheryError(.badRequest, "The invite is damaged; ask for another one.")
    }
  }

  private static func check(_ length: UInt16) -> UInt8 { UInt8(length >> 8) ^ UInt8(length & 0xff) ^ 0xa5 }

  private static func checksum(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    SHA256Digest.of(bytes).prefix(checksumLength)
  }

  private static func stripped(_ text: String) -> String {
    String(decoding: text.utf8.filter { $0 > 0x20 }, as: UTF8.self)
  }

  private static let cut = KacheryError(
    .badRequest, "The invite was cut off: its end is missing. Copy the whole line.")
  private static let mistyped = KacheryError(
    .badRequest, "The invite has a wrong character somewhere: its checksum does not match. Copy the line again.")
}
