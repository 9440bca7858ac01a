internal import COpenSSL
import Crypto
package import Primitives

/// A server's self-signed certificate and its key. Clients get the certificate as a file and compare.
package struct ServerCertificate: Sendable {
  /// Both in PEM (RFC 7468).
  package let certificate: String
  package let key: String

  /// Generates a new key on the curve P-256, which every TLS library supports, and a certificate for this name.
  ///
  /// - Parameter places: the host names and addresses at which the server is reached, for clients that check them. What is
  ///   neither is left out.
  package init(for name: String, reachedAt places: [String]) throws(KacheryError) {
    let problem = "The certificate for the API cannot be made"
    ERR_clear_error()
    guard let key = COpenSSL_new_p256_key(), let certificate = X509_new() else { throw TLSError.capture(problem) }
    defer {
      EVP_PKEY_free(key)
      X509_free(certificate)
    }
    let subject = X509_get_subject_name(certificate)
    let common = Array(name.utf8.prefix(64))
    let names = places.compactMap(Self.alternativeName).joined(separator: ",")
    guard X509_set_version(certificate, 2) == 1,
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), SecureRandom().next() >> 1) == 1,
      X509_gmtime_adj(X509_getm_notBefore(certificate), -86_400) != nil,
      X509_time_adj_ex(X509_getm_notAfter(certificate), 3_650, 0, nil) != nil,
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common, Int32(common.count), -1, 0) == 1,
      X509_set_issuer_name(certificate, subject) == 1, X509_set_pubkey(certificate, key) == 1,
      COpenSSL_add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") == 1,
      names.isEmpty || COpenSSL_add_extension(certificate, NID_subject_alt_name, names) == 1,
      X509_sign(certificate, key, EVP_sha256()) > 0
    else { throw TLSError.capture(problem) }
    self.certificate = try Self.text { PEM_write_bio_X509($0, certificate) }
    self.key = try Self.text { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
  }

  /// A place as OpenSSL reads it in the list of alternative names, of which a comma would begin another one.
  private static func alternativeName(_ place: String) -> String? {
    if let address = IPAddress(place) { return "IP:\(address)" }
    let isName =
      !place.isEmpty && place.utf8.count <= 253
      && place.utf8.allSatisfy { byte in
        let isLetter = UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
        return isLetter || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "-")
          || byte == UInt8(ascii: ".")
      }
    return isName ? "DNS:\(place)" : nil
  }

  private static func text(_ write: (OpaquePointer) -> Int32) throws(KacheryError) -> String {
    guard let output = BIO_new(BIO_s_mem()) else { throw TLSError.capture("There is no memory for a certificate") }
    defer { BIO_free(output) }
    guard write(output) == 1 else { throw TLSError.capture("A certificate cannot be written") }
    var text: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = BIO_read(output, &block, Int32(block.count))
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += block.prefix(Int(count))
    }
  }
}
