import COpenSSL
import Crypto
import Primitives
import TLS
import Testing

/// How our end treats TLS peers that are not nodes.
@Suite struct ForeignEndTests {
  private static let ellipticKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYaL0/CCJ/BybtK0l
    1rjSpIpvHa9Y6cshTUfdjne0AoKhRANCAARGpqbj3Xdr2/NOwvTjB7OmwDTncU5A
    6EKXrNrbTQIEu3qXgGzgDxpNseEhBapOBPRxJu8LrTTKgXvXcEd7j21D
    -----END PRIVATE KEY-----
    """

  private let ours: SigningKey
  private let theirs: SigningKey

  init() throws {
    ours = try SigningKey.generate()
    theirs = try SigningKey.generate()
  }

  private func meet(_ change: (inout ForeignEnd.Conduct) throws -> Void) throws -> TLSSession {
    var conduct = ForeignEnd.Conduct(key: try theirs.pem())
    try change(&conduct)
    let session = try TLSSession(identity: try TLSIdentity(key: ours), role: conduct.isClient ? .server : .client)
    try ForeignEnd(conduct).shakeHands(with: session)
    return session
  }

  private func expectRefusal(_ change: (inout ForeignEnd.Conduct) throws -> Void) {
    #expect {
      _ = try meet(change)
    } throws: {
      ($0 as? KacheryError)?.code == .protocolViolation
    }
  }

  @Test func aStrangersGoodConductIsAccepted() throws {
    #expect(try meet { _ in }.peer == theirs.publicKey)
  }

  @Test func noCertificate() { expectRefusal { $0.showsCertificate = false } }

  @Test func aCertificateOnAnotherKindOfKey() {
    expectRefusal { $0.key = Self.ellipticKey }
    expectRefusal {
      $0.key = Self.ellipticKey
      $0.isClient = false
    }
  }

  @Test func aCertificateThatAnotherKeySigned() { expectRefusal { $0.signer = try ours.pem() } }

  @Test func moreThanOneCertificate() { expectRefusal { $0.showsAnother = true } }

  @Test func noProtocolNamed() {
    expectRefusal { $0.applicationProtocol = nil }
    // A server that was not configured to choose a protocol answers without one.
    expectRefusal { $0.isClient = false }
  }

  @Test func anOlderTLS() { expectRefusal { $0.maximumVersion = TLS1_2_VERSION } }

  @Test func noHTTP() throws {
    let session = try TLSSession(identity: try TLSIdentity(key: ours), role: .server)
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_024, alignment: 16)
    defer { scratch.deallocate() }
    #expect(throws: KacheryError.self) {
      try Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8).withUnsafeBytes {
        try session.receive($0, scratch: scratch) { _ in }
      }
    }
  }
}
