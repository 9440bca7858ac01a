import COpenSSL
import Primitives
import TLS
import Testing

/// An end of a TLS connection with another implementation that may break our rules.
final class ForeignEnd {
  /// What it presents and sends. The defaults are those of a node.
  struct Conduct {
    /// The private key as PEM.
    var key: String
    /// The key that signs the certificate, if not its own.
    var signer: String?
    var showsCertificate = true
    /// Whether to send a second certificate after the first.
    var showsAnother = false
    var applicationProtocol: String? = "kachery/1"
    var maximumVersion = TLS1_3_VERSION
    var isClient = true
  }

  private let context: OpaquePointer
  private let session: OpaquePointer
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer

  init(_ conduct: Conduct) throws {
    context = try #require(SSL_CTX_new(TLS_method()))
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(conduct.maximumVersion), nil)
    if conduct.showsCertificate { try Self.install(conduct, in: context) }
    if let name = conduct.applicationProtocol {
      let offer = [UInt8(name.utf8.count)] + Array(name.utf8)
      SSL_CTX_set_alpn_protos(context, offer, UInt32(offer.count))
    }
    session = try #require(SSL_new(context))
    incoming = try #require(BIO_new(BIO_s_mem()))
    outgoing = try #require(BIO_new(BIO_s_mem()))
    SSL_set_bio(session, incoming, outgoing)
    if conduct.isClient { SSL_set_connect_state(session) } else { SSL_set_accept_state(session) }
  }

  deinit {
    SSL_free(session)
    SSL_CTX_free(context)
  }

  /// Processes the other end's output and returns the bytes to send to it.
  func exchange(_ bytes: [UInt8]) -> [UInt8] {
    if !bytes.isEmpty { BIO_write(incoming, bytes, Int32(bytes.count)) }
    SSL_do_handshake(session)
    ERR_clear_error()
    var output = [UInt8](repeating: 0, count: BIO_ctrl_pending(outgoing))
    guard !output.isEmpty else { return [] }
    BIO_read(outgoing, &output, Int32(output.count))
    return output
  }

  /// Runs the handshake for as long as it makes progress; throws the errors of our end.
  func shakeHands(with ours: TLSSession) throws {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 16)
    defer { scratch.deallocate() }
    for _ in 0..<8 {
      var sent: [UInt8] = []
      ours.drainOutput { sent += $0 }
      let answer = exchange(sent)
      guard !sent.isEmpty || !answer.isEmpty else { return }
      try answer.withUnsafeBytes { try ours.receive($0, scratch: scratch) { _ in } }
    }
  }

  private static func install(_ conduct: Conduct, in context: OpaquePointer) throws {
    let key = try privateKey(conduct.key)
    let signer = try privateKey(conduct.signer ?? conduct.key)
    let certificate = try #require(X509_new())
    defer {
      EVP_PKEY_free(key)
      EVP_PKEY_free(signer)
      X509_free(certificate)
    }
    let digest = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519 ? nil : EVP_sha256()
    X509_set_version(certificate, 2)
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0)
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3_600)
    X509_set_pubkey(certificate, key)
    try #require(X509_sign(certificate, signer, digest) > 0)
    try #require(SSL_CTX_use_certificate(context, certificate) == 1)
    try #require(SSL_CTX_use_PrivateKey(context, key) == 1)
    guard conduct.showsAnother else { return }
    X509_up_ref(certificate)
    try #require(SSL_CTX_ctrl(context, SSL_CTRL_EXTRA_CHAIN_CERT, 0, UnsafeMutableRawPointer(certificate)) == 1)
  }

  private static func privateKey(_ pem: String) throws -> OpaquePointer {
    let bytes = Array(pem.utf8)
    return try bytes.withUnsafeBytes { buffer in
      let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count))
      defer { BIO_free(bio) }
      return try #require(PEM_read_bio_PrivateKey(bio, nil, nil, nil))
    }
  }
}
