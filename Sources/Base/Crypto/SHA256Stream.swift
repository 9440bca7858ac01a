internal import COpenSSL

/// SHA-256 of bytes that arrive in pieces (FIPS 180-4). One thread owns it.
package final class SHA256Stream {
  private let context = EVP_MD_CTX_new()

  package init() {
    precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "OpenSSL offers SHA-256")
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Hashes the next bytes.
  package func update(_ bytes: [UInt8]) {
    precondition(EVP_DigestUpdate(context, bytes, bytes.count) == 1, "OpenSSL offers SHA-256")
  }

  /// The 32 bytes of the digest of everything. The object must not be used afterwards.
  package func finish() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    precondition(EVP_DigestFinal_ex(context, &digest, nil) == 1, "OpenSSL offers SHA-256")
    return digest
  }
}
