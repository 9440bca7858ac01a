import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// A daemon used by clients on other machines: over TLS, with a token, without a shared directory.
@Suite(.serialized, .timeLimit(.minutes(2))) struct RemoteAPITests {
  private let folder: TemporaryFolder
  private let daemon: RunningDaemon
  private let port: UInt16

  init() throws {
    folder = try TemporaryFolder()
    port = try Self.freePort()
    daemon = try RunningDaemon(
      in: folder.path("node"), ["--api-listen", "127.0.0.1:\(port)", "--channel", "secret-name", "--nomulticast"])
  }

  private static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) + getsockname(descriptor, $0, &size)
      }
    }
    try #require(result == 0)
    return UInt16(bigEndian: address.sin_port)
  }

  private var certificate: String { "\(folder.path)/node/config/api-certificate.pem" }
  private var token: String {
    get throws { try String(contentsOfFile: "\(folder.path)/node/config/api-token", encoding: .utf8) }
  }

  private func fetch(
    _ method: String, _ path: String, _ body: String = "", token: String? = nil, certificate: String? = nil
  ) throws -> (status: Int, body: String) {
    var request = HTTPRequest(method, "https://127.0.0.1:\(port)\(path)")
    if let token { request.headers = [("Authorization", "Bearer \(token)")] }
    request.certificateFile = certificate ?? self.certificate
    request.timeout = .seconds(20)
    if !body.isEmpty { request.body = .bytes(Array(body.utf8)) }
    let (status, bytes) = try HTTPClient.fetch(request, limit: 1 << 20)
    return (status, String(decoding: bytes, as: UTF8.self))
  }

  private func user(_ name: String, token: String? = nil, certificate: String? = nil) throws -> [String: String] {
    let home = folder.path(name)
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    try Data((token ?? self.token).utf8).write(to: URL(filePath: "\(home)/token"))
    return [
      "HOME": home, "PATH": "/usr/bin:/bin", "KACHERY_P2P_API_HOST": "127.0.0.1", "KACHERY_P2P_API_PORT": "\(port)",
      "KACHERY_API_TOKEN_FILE": "\(home)/token", "KACHERY_API_CERTIFICATE_FILE": certificate ?? self.certificate,
    ]
  }

  @Test func onlyClientsWithTheTokenHaveAccess() throws {
    let good = try token
    #expect(good.count == 48)
    for path in ["/v1/store/usage", "/loadFile", "/mutable/get"] {
      #expect(try fetch("POST", path, "{}").status == 403)
      #expect(try fetch("POST", path, "{}", token: "x" + good.dropFirst()).status == 403)
    }
    #expect(try fetch("POST", "/v1/store/usage", "{}", token: good).status == 200)
    // The token of the storage directory is only valid on this machine.
    var request = HTTPRequest("POST", "https://127.0.0.1:\(port)/v1/store/usage")
    request.headers = [("KACHERY-CLIENT-AUTH-CODE", daemon.token)]
    request.certificateFile = certificate
    request.body = .bytes(Array("{}".utf8))
    #expect(try HTTPClient.fetch(request, limit: 1 << 20).status == 403)
  }

  /// For a program that watches the node: it reads, and does not learn the channels.
  @Test func aSecondTokenIsForReading() throws {
    let reading = try String(contentsOfFile: "\(folder.path)/node/config/api-read-token", encoding: .utf8)
    let metrics = try fetch("GET", "/metrics", token: reading)
    #expect(metrics.status == 200 && metrics.body.contains("kachery_channels 1\n"))
    #expect(!metrics.body.contains("kachery_channel_members") && !metrics.body.contains("secret-name"))
    let all = try fetch("GET", "/metrics", token: token).body
    #expect(all.contains(#"kachery_channel_members{channel="secret-name"}"#))
    #expect(try fetch("GET", "/healthz", token: reading).status == 200)
    #expect(!(try fetch("GET", "/probe", token: reading).body.contains("secret-name")))
    for (path, body) in [
      ("/mutable/set", #"{"key":"a","value":1}"#), ("/v1/channels", "{}"), ("/v1/store/collect", "{}"),
    ] {
      let refused = try fetch("POST", path, body, token: reading)
      #expect(refused.status == 403 && refused.body.contains("for reading only"), "\(path)")
    }
    // Also on the daemon's own port.
    var request = HTTPRequest("GET", "http://127.0.0.1:\(daemon.apiPort)/metrics")
    request.headers = [("Authorization", "Bearer \(reading)")]
    let local = try HTTPClient.fetch(request, limit: 1 << 20)
    #expect(local.status == 200 && !String(decoding: local.body, as: UTF8.self).contains("secret-name"))
    request.headers = [("Authorization", "Bearer x\(reading.dropFirst())")]
    #expect(try HTTPClient.fetch(request, limit: 1 << 20).status == 403)
  }

  @Test func strangersDoNotLearnTheChannels() throws {
    let open = try fetch("GET", "/probe")
    #expect(open.status == 200)
    #expect(!open.body.contains("secret-name"))
    #expect(try fetch("GET", "/probe", token: token).body.contains("secret-name"))
  }

  @Test func usersWithTheTokenSeeTheChannels() throws {
    let info = try run("kachery-info", [], in: folder.path, environment: try user("dora"))
    #expect(info.code == 0 && info.output.contains("secret-name"), "\(info)")
    let stranger = try run("kachery-info", [], in: folder.path, environment: try user("eve", token: "x"))
    #expect(stranger.code == 1 && stranger.errors.contains("does not accept the token"), "\(stranger)")
  }

  /// Also on the daemon's own machine, where the token of the storage directory could be read.
  @Test func withoutTheTokenThereIsNoAccess() throws {
    var environment = try user("fred")
    environment["KACHERY_API_TOKEN_FILE"] = nil
    environment["KACHERY_STORAGE_DIR"] = daemon.storage
    let info = try run("kachery-info", [], in: folder.path, environment: environment)
    #expect(info.code == 0 && info.output.contains("You do not have access"), "\(info)")
    #expect(
      info.output.contains("Channels: shown only to") && info.errors.contains("KACHERY_API_TOKEN_FILE"), "\(info)")
  }

  @Test func pathsOfTheDaemonsMachineAreOutOfReach() throws {
    let good = try token
    for (path, body) in [
      ("/storeFile", #"{"localFilePath":"/etc/hostname"}"#),
      ("/linkFile", #"{"localFilePath":"/etc/hostname","size":1,"mtime":1}"#),
    ] { #expect(try fetch("POST", path, body, token: good).status == 403) }
    #expect(try fetch("GET", "/halt", token: good).status == 403)
    #expect(try daemon.nodeID.hex.count == 64)
  }

  /// The token of another machine's user neither gets keys and tokens nor makes new ones, and cannot have the daemon
  /// fetch what only the daemon reaches.
  @Test func secretsAndPlacesOfTheDaemonsMachineAreOutOfReach() throws {
    let good = try token
    let feed = #"{"type":"feedConfig","feedId":"\#(String(repeating: "0", count: 64))"}"#
    for key in [feed, #""_other_client_auth_codes""#] {
      #expect(try fetch("POST", "/mutable/get", #"{"key":\#(key)}"#, token: good).status == 403)
      #expect(try fetch("POST", "/mutable/set", #"{"key":\#(key),"value":["mine"]}"#, token: good).status == 403)
      #expect(try fetch("POST", "/mutable/delete", #"{"key":\#(key)}"#, token: good).status == 403)
    }
    func join(_ address: String) throws -> Int {
      let value = #"{"joinedChannels":[{"channelConfigUrl":"\#(address)"}]}"#
      return try fetch(
        "POST", "/mutable/set", #"{"key":"_joined_channels_config","value":\#(value)}"#, token: good
      ).status
    }
    for address in ["file:///etc/hostname", "/etc/hostname", "http://127.0.0.1:\(port)/"] {
      #expect(try join(address) == 403)
    }
    #expect(try join("another-lab") == 200)
  }

  /// Clients that check the name find it in the certificate, with the address at which the API listens.
  @Test func theCertificateNamesThePlacesOfTheAPI() throws {
    let node = try daemon.nodeID.hex
    for place in ["localhost", "127.0.0.1"] {
      let answer = try runProgram(
        "/usr/bin/curl", ["-sS", "--cacert", certificate, "https://\(place):\(port)/probe"], in: folder.path,
        environment: ["PATH": "/usr/bin:/bin"])
      #expect(answer.code == 0 && answer.output.contains(node), "\(place): \(answer)")
    }
  }

  @Test func anotherCertificateIsRefused() throws {
    let other = try RunningDaemon(
      in: folder.path("other"), ["--api-listen", "127.0.0.1:\(try Self.freePort())", "--nomulticast"])
    #expect(throws: KacheryError.self) {
      _ = try fetch("GET", "/probe", certificate: "\(folder.path)/other/config/api-certificate.pem")
    }
    #expect(other.stop() == 0)
  }

  @Test func filesTravelWithoutASharedDirectory() throws {
    let environment = try user("anna")
    let content = PatternBytes.make(2_000_000)
    try Data(content).write(to: URL(filePath: folder.path("data.bin")))
    let stored = try run("kachery-store", ["data.bin"], in: folder.path, environment: environment)
    #expect(stored.code == 0, "\(stored)")
    let uri = stored.output.trimmingCharacters(in: .newlines)
    let loaded = try run("kachery-load", [uri], in: folder.path, environment: environment)
    #expect(loaded.code == 0, "\(loaded)")
    let path = loaded.output.trimmingCharacters(in: .newlines)
    #expect(path.hasPrefix("\(folder.path)/anna/"), "a path of this machine, not of the daemon's: \(path)")
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: folder.path("data.bin")))
    let part = try run("kachery-cat", [uri, "--start", "0", "--end", "3"], in: folder.path, environment: environment)
    #expect(part.code == 0)
    #expect(try run("kachery-link", ["data.bin"], in: folder.path, environment: environment).code == 2)
    let missing = try run(
      "kachery-load", ["sha1://" + String(repeating: "0", count: 40)], in: folder.path, environment: environment)
    #expect(missing.code == 3)
  }

  /// The client hashes everything that it receives, whatever the daemon says: chunk by chunk if the URI names a
  /// manifest.
  @Test(arguments: [true, false])
  func aRangeFromElsewhereIsChecked(namesManifest: Bool) throws {
    let environment = try user("carl")
    let content = PatternBytes.make(45_000_000)
    try Data(content).write(to: URL(filePath: folder.path("data.bin")))
    let stored = try run("kachery-store", ["data.bin"], in: folder.path, environment: environment)
    var uri = stored.output.trimmingCharacters(in: .newlines)
    #expect(uri.contains("?manifest="))
    if !namesManifest { uri = String(uri.prefix { $0 != "?" }) }
    func range(_ start: Int, _ end: Int) throws -> (code: Int32, output: String, errors: String) {
      let program = RunningDaemon.programs.appending(path: "kachery").path
      let script = "exec '\(program)' cat '\(uri)' --start \(start) --end \(end) > range"
      return try runProgram("/bin/sh", ["-c", script], in: folder.path, environment: environment)
    }
    func written() throws -> [UInt8] { try Array(Data(contentsOf: URL(filePath: folder.path("range")))) }
    // In the second of three chunks.
    try spoil(uri.dropFirst("sha1://".count).prefix(40), at: 30_000_000, was: content[30_000_000])
    let bad = try range(25_000_000, 25_000_010)
    #expect(bad.code == 1, "\(bad)")
    #expect(bad.errors.contains("hash"))
    #expect(try written().isEmpty)
    guard namesManifest else { return }
    let good = try range(40_000_000, 45_000_000)
    #expect(good.code == 0, "\(good)")
    let isRight = try written() == Array(content[40_000_000..<45_000_000])
    #expect(isRight)
    #expect(try range(0, 0).code == 0)
    #expect(try range(44_999_999, 45_000_001).code == 2)
  }

  /// Verified bytes are not sent again: before the second load, the daemon's copy of them is damaged.
  @Test func anInterruptedLoadFromAnotherMachineResumes() throws {
    let environment = try user("dora")
    let content = PatternBytes.make(110_000_000)
    try Data(content).write(to: URL(filePath: folder.path("data.bin")))
    let stored = try run("kachery-store", ["data.bin"], in: folder.path, environment: environment)
    let uri = stored.output.trimmingCharacters(in: .newlines)
    let hash = uri.dropFirst("sha1://".count).prefix(40)
    let process = Process()
    process.executableURL = RunningDaemon.programs.appending(path: "kachery")
    process.arguments = ["load", uri, "--quiet"]
    process.environment = environment.merging(RunningDaemon.sanitizerOptions) { own, _ in own }
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let journal = "\(folder.path)/dora/.cache/kachery/kachery-node/partial/\(hash).verified"
    for _ in 0..<20_000 where (try? Data(contentsOf: URL(filePath: journal)))?.isEmpty ?? true { usleep(1_000) }
    kill(process.processIdentifier, SIGINT)
    process.waitForEnd()
    #expect(process.terminationReason == .uncaughtSignal, "it had not ended before")
    try spoil(hash, at: 10_000_000, was: content[10_000_000])
    let again = try run("kachery-load", [uri], in: folder.path, environment: environment)
    #expect(again.code == 0, "\(again)")
    let path = again.output.trimmingCharacters(in: .newlines)
    #expect(FileManager.default.contentsEqual(atPath: path, andPath: folder.path("data.bin")))
  }

  /// Damages a file on the daemon's disk.
  ///
  /// The file's times do not show the damage; therefore the daemon's record of them is removed here.
  private func spoil(_ hash: Substring, at offset: UInt64, was byte: UInt8) throws {
    #expect(daemon.stop() == 0)
    let own = "\(daemon.storage)/kachery-node"
    for name in try FileManager.default.contentsOfDirectory(atPath: own) where name.hasPrefix("index-") {
      try FileManager.default.removeItem(atPath: "\(own)/\(name)")
    }
    let path =
      "\(daemon.storage)/sha1/\(hash.prefix(2))/\(hash.dropFirst(2).prefix(2))/\(hash.dropFirst(4).prefix(2))/\(hash)"
    #expect(chmod(path, 0o644) == 0)
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    try handle.seek(toOffset: offset)
    try handle.write(contentsOf: Data([byte ^ 1]))
    try handle.close()
    try daemon.start()
  }

  @Test func whatIsMissingIsSaid() throws {
    var environment = try user("ben", token: "wrong-token-0123456789")
    let wrong = try run("kachery", ["du"], in: folder.path, environment: environment)
    #expect(wrong.code == 1)
    #expect(wrong.errors.contains("token"))
    environment["KACHERY_API_CERTIFICATE_FILE"] = nil
    #expect(
      try run("kachery", ["du"], in: folder.path, environment: environment).errors.contains(
        "KACHERY_API_CERTIFICATE_FILE"))
    // Another daemon's certificate: the message must not suggest starting one.
    environment["KACHERY_API_CERTIFICATE_FILE"] = "\(folder.path)/other.pem"
    let other = try RunningDaemon(
      in: folder.path("other"), ["--api-listen", "127.0.0.1:\(try Self.freePort())", "--nomulticast"])
    try FileManager.default.copyItem(
      atPath: "\(other.folder)/config/api-certificate.pem", toPath: "\(folder.path)/other.pem")
    let stranger = try run("kachery", ["du"], in: folder.path, environment: environment)
    #expect(stranger.code == 1)
    #expect(stranger.errors.contains("a different certificate"))
  }
}
