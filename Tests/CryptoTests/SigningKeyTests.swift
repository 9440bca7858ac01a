import Crypto
import Primitives
import TestSupport
import Testing

@Suite struct SigningKeyTests {
  /// RFC 8032, section 7.1: secret key, public key, message, signature.
  static let vectors = [
    (
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    ),
    (
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ),
  ]

  @Test(arguments: vectors)
  func rfc8032(seed: String, publicKey: String, message: String, signature: String) throws {
    let key = try SigningKey(seed: try #require(Hex.decode(seed)))
    let message = try #require(Hex.decode(message))
    #expect(key.publicKey.hex == publicKey)
    #expect(Hex.encode(key.sign(message)) == signature)
    #expect(key.publicKey.verify(signature: try #require(Hex.decode(signature)), of: message))
  }

  @Test func anythingChangedIsNotVerified() throws {
    let key = try SigningKey.generate()
    let message: [UInt8] = [1, 2, 3]
    let signature = key.sign(message)
    var wrong = signature
    wrong[10] ^= 1
    #expect(!key.publicKey.verify(signature: wrong, of: message))
    #expect(!key.publicKey.verify(signature: signature, of: [1, 2, 4]))
    #expect(!key.publicKey.verify(signature: Array(signature.dropLast()), of: message))
    #expect(!(try SigningKey.generate().publicKey.verify(signature: signature, of: message)))
  }

  @Test func pemRoundTrip() throws {
    let key = try SigningKey.generate()
    let pem = try key.pem()
    #expect(pem.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
    #expect(pem.hasSuffix("-----END PRIVATE KEY-----\n"))
    #expect(try SigningKey(pem: pem).seed == key.seed)
    #expect(try NodeID(pem: try key.publicKey.pem()) == key.publicKey)
  }

  @Test func invalidKeysAreRejected() throws {
    #expect(throws: KacheryError.self) { try SigningKey(seed: [1, 2, 3]) }
    #expect(throws: KacheryError.self) { try SigningKey(pem: "hello") }
    let rsaLike = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    #expect(throws: KacheryError.self) { try SigningKey(pem: rsaLike) }
    let publicPEM = try SigningKey.generate().publicKey.pem()
    #expect(throws: KacheryError.self) { try SigningKey(pem: publicPEM) }
  }

  /// A key on the curve P-256, and an Ed25519 key with a password, for which the user is not prompted.
  @Test(arguments: [
    """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYaL0/CCJ/BybtK0l
    1rjSpIpvHa9Y6cshTUfdjne0AoKhRANCAARGpqbj3Xdr2/NOwvTjB7OmwDTncU5A
    6EKXrNrbTQIEu3qXgGzgDxpNseEhBapOBPRxJu8LrTTKgXvXcEd7j21D
    -----END PRIVATE KEY-----
    """,
    """
    -----BEGIN ENCRYPTED PRIVATE KEY-----
    MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjd5IeEdXX/+AICCAAw
    DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJlWUxXZJhOYiFgO5GHOXXcEQHqm
    C4tziXY3KJqnhJLQ6x5/LOcm4mHXBz4NElvH4d31m6KoPbApA/pyc/qGvPv3euI9
    oDr7qsag1qTtNXMc8K4=
    -----END ENCRYPTED PRIVATE KEY-----
    """,
  ])
  func keysThatNoNodeCanUseAreRefused(pem: String) {
    #expect {
      try SigningKey(pem: pem)
    } throws: {
      ($0 as? KacheryError)?.code == .badKey
    }
  }

  /// RFC 8032, section 7.1, the seed of its first test, in the form that `openssl pkey` writes.
  @Test func theFilesAreThoseOfOtherSoftware() throws {
    let (seed, publicKey, _, _) = Self.vectors[0]
    let key = try SigningKey(seed: try #require(Hex.decode(seed)))
    #expect(
      try key.pem() == """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
        -----END PRIVATE KEY-----

        """)
    #expect(
      try key.publicKey.pem() == """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
        -----END PUBLIC KEY-----

        """)
    #expect(try NodeID(pem: key.publicKey.pem()).hex == publicKey)
  }

  @Test(arguments: UInt64(0)..<10)
  func damagedFilesNeverTrap(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let key = try SigningKey(seed: random.bytes(SigningKey.seedByteCount))
    let (privatePEM, publicPEM) = (Array(try key.pem().utf8), Array(try key.publicKey.pem().utf8))
    for _ in 0..<50 {
      if let read = try? SigningKey(pem: String(decoding: random.mutated(privatePEM), as: UTF8.self)) {
        #expect(read.seed.count == SigningKey.seedByteCount, "seed \(seed)")
      }
      _ = try? NodeID(pem: String(decoding: random.mutated(publicPEM), as: UTF8.self))
    }
  }

  @Test func filesThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "key") {
      let text = String(decoding: bytes, as: UTF8.self)
      if let read = try? SigningKey(pem: text) { #expect(read.seed.count == SigningKey.seedByteCount, "\(name)") }
      if let read = try? NodeID(pem: text) { #expect(try NodeID(pem: read.pem()) == read, "\(name)") }
    }
  }
}
