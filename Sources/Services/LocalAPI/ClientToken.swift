import Crypto
import Files
package import Primitives

/// The token of local clients: every user who can read `client-auth` in the storage directory may use the daemon.
///
/// It changes every few minutes. Clients read the file at most once a minute, so the previous token stays valid for one
/// more period.
package struct ClientToken: Sendable {
  /// How often the token changes.
  package static let period: Duration = .seconds(180)
  private static let tokenBytes = 24

  private let path: String
  private let group: UInt32?
  /// The token that clients use from now on.
  private(set) var current = ""
  private var previous = ""

  /// Writes the first token to `path`, readable also by `group` if there is one.
  ///
  /// The last token of a run that has just ended stays valid for one more period: clients and open pages continue after a
  /// restart.
  package init(path: String, group: UInt32? = nil) throws(KacheryError) {
    self.path = path
    self.group = group
    current = Self.lastToken(at: path) ?? ""
    try rotate()
  }

  /// The token in a file that this software wrote for the same user less than two periods ago; nil if it may be anything
  /// else.
  private static func lastToken(at path: String) -> String? {
    guard let status = (try? FileSystem.statusIfPresent(path, followingLinks: false)) ?? nil,
      status.kind == .regular, status.owner == FileSystem.user, status.permissions & 0o022 == 0,
      (0..<2 * period.components.seconds).contains(FileSystem.now - Int64(status.modified)),
      let bytes = try? FileSystem.read(path, limit: 1_024), bytes.count == 2 * tokenBytes
    else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    return Hex.decode(text) == nil ? nil : text
  }

  /// Replaces the token.
  package mutating func rotate() throws(KacheryError) {
    let next = Hex.encode(SecureRandom.bytes(Self.tokenBytes))
    try FileSystem.replace(path, with: Array(next.utf8), permissions: 0o640, group: group)
    previous = current
    current = next
  }

  /// Whether a client's token is valid. Takes the same time however much of it is right.
  package func accepts(_ token: String) -> Bool {
    let isCurrent = Self.equal(token, current)
    let isPrevious = !previous.isEmpty && Self.equal(token, previous)
    return isCurrent || isPrevious
  }

  /// Compares two texts of the same length in constant time.
  static func equal(_ left: String, _ right: String) -> Bool {
    guard left.utf8.count == right.utf8.count else { return false }
    return zip(left.utf8, right.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
