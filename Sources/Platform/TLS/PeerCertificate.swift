internal import COpenSSL
import Primitives

/// How a certificate proves a node ID.
enum PeerCertificate {
  /// The node with this certificate, which must be the only one, with an Ed25519 key and signed by that key; nil
  /// otherwise. TLS proves that the node has the key.
  static func nodeID(provedBy store: OpaquePointer?) -> NodeID? {
    guard let leaf = X509_STORE_CTX_get0_cert(store), let key = X509_get0_pubkey(leaf),
      OPENSSL_sk_num(X509_STORE_CTX_get0_untrusted(store)) == 1, X509_verify(leaf, key) == 1
    else { return nil }
    return nodeID(in: leaf)
  }

  /// The Ed25519 key of a certificate; nil for another kind of key.
  static func nodeID(in certificate: OpaquePointer) -> NodeID? {
    var bytes = [UInt8](repeating: 0, count: NodeID.byteCount)
    var count = bytes.count
    guard let key = X509_get0_pubkey(certificate), EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519,
      EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1
    else { return nil }
    return NodeID(bytes: bytes.prefix(count))
  }
}
