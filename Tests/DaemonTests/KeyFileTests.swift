import Crypto
import Files
import Primitives
import TestSupport
import Testing

@testable import Daemon

/// The key pair in its files.
@Suite struct KeyFileTests {
  private let folder: TemporaryFolder
  private let key: SigningKey

  init() throws {
    folder = try TemporaryFolder()
    key = try SigningKey.generate()
    try FileSystem.createFolder(folder.path("config"), permissions: 0o700)
  }

  private func load() throws(KacheryError) -> NodeID {
    try NodeIdentity(storageDirectory: folder.path("storage"), configurationDirectory: folder.path("config"))
      .key.publicKey
  }

  private func put(_ name: String, _ text: String, permissions: UInt32 = 0o600) throws {
    try folder.write("config/\(name)", Array(text.utf8), permissions: permissions)
  }

  @Test func aNewPairIsForItsOwnerAlone() throws {
    let id = try load()
    for name in ["private.pem", "public.pem"] {
      #expect(try FileSystem.status(folder.path("config/\(name)")).permissions & 0o777 == 0o600)
    }
    #expect(try FileSystem.status(folder.path("config")).permissions & 0o777 == 0o700)
    let pem = String(decoding: try FileSystem.read(folder.path("config/public.pem"), limit: 1_024), as: UTF8.self)
    #expect(try NodeID(pem: pem) == id)
  }

  /// Whoever repairs one is not sent back for the next.
  @Test func allFilesOpenToOthersAreNamedAtOnce() throws {
    try put("private.pem", try key.pem(), permissions: 0o644)
    try put("api-token", "token", permissions: 0o640)
    try put("api-key.pem", "key")
    let paths = ["api-key.pem", "api-token", "missing"].map { folder.path("config/\($0)") }
    #expect {
      _ = try NodeIdentity(
        storageDirectory: folder.path("storage"), configurationDirectory: folder.path("config"), besides: paths)
    } throws: {
      let message = ($0 as? KacheryError)?.message ?? ""
      return message.contains("chmod 600 \(folder.path("config/private.pem")) \(paths[1])")
        && !message.contains(paths[0])
    }
  }

  @Test(arguments: [0o640, 0o604, 0o644] as [UInt32])
  func aPrivateKeyOpenToOthersIsRefused(permissions: UInt32) throws {
    try put("private.pem", try key.pem(), permissions: permissions)
    let path = folder.path("config/private.pem")
    #expect {
      _ = try load()
    } throws: {
      guard let error = $0 as? KacheryError else { return false }
      return error.code == .badKey && error.message.contains("chmod 600 \(path)")
    }
  }

  @Test func aPublicKeyOfAnotherPairIsRefused() throws {
    try put("private.pem", try key.pem())
    try put("public.pem", try SigningKey.generate().publicKey.pem())
    #expect {
      _ = try load()
    } throws: {
      ($0 as? KacheryError)?.code == .badKey
    }
  }

  @Test func aPrivateKeyAloneIsEnough() throws {
    try put("private.pem", try key.pem())
    #expect(try load() == key.publicKey)
  }

  /// The result of an interrupted start: the private key, which is written last, is missing.
  @Test func anIncompletePairIsReplaced() throws {
    try put("public.pem", try key.publicKey.pem())
    let made = try load()
    #expect(made != key.publicKey)
    #expect(try load() == made)
  }
}
