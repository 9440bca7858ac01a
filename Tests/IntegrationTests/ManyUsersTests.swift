import APIModel
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// One daemon shared by several users of a machine: members of its group have access, and only its own user writes to
/// its directory.
@Suite(.serialized, .timeLimit(.minutes(2)), .asRoot) struct ManyUsersTests {
  /// A group that every Debian system has, so that none must be created.
  private static let group: (name: String, number: UInt32) = ("users", 100)

  private let folder: TemporaryFolder
  private let owner: SystemUser
  private let member: SystemUser
  private let stranger: SystemUser
  private let daemon: RunningDaemon

  init() throws {
    folder = try TemporaryFolder()
    chmod(folder.path, 0o755)
    let programs = folder.path("programs")
    owner = try SystemUser(61_001, groups: [Self.group.number], programs: programs)
    member = try SystemUser(61_002, groups: [Self.group.number], programs: programs)
    stranger = try SystemUser(61_003, programs: programs)
    for (user, name) in [(owner, "node"), (member, "member"), (stranger, "stranger")] {
      try user.makeHome(folder.path(name))
    }
    daemon = try RunningDaemon(in: folder.path("node"), ["--auth-group", Self.group.name, "--nomulticast"], as: owner)
  }

  private func variables(_ name: String) -> [String: String] {
    ["KACHERY_STORAGE_DIR": daemon.storage, "KACHERY_P2P_API_PORT": "\(daemon.apiPort)", "HOME": folder.path(name)]
  }

  /// The answer to a user's curl over the socket, without a token.
  private func overSocket(_ user: SystemUser?, _ path: String) throws -> (status: String, body: String) {
    let arguments = [
      "-s", "-w", "\n%{http_code}", "--unix-socket", "\(daemon.storage)/\(APIVersion.socketName)", "-d",
      #"{"key":"x"}"#,
      "http://localhost\(path)",
    ]
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/curl")
    process.arguments = arguments
    if let user { user.prepare(process, "/usr/bin/curl", arguments) }
    let lines = try finish(process).output.split(separator: "\n", omittingEmptySubsequences: false)
    return (String(lines.last ?? ""), lines.dropLast().joined(separator: "\n"))
  }

  @Test func aMemberStoresAndLoads() throws {
    let text = folder.path("member/notes.txt")
    try Data("for the lab".utf8).write(to: URL(filePath: text))
    chmod(text, 0o644)
    let stored = try member.run("kachery-store", [text], in: folder.path("member"), environment: variables("member"))
    #expect(stored.code == 0, "\(stored.errors)")
    let uri = stored.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let shown = try member.run("kachery-cat", [uri], in: folder.path("member"), environment: variables("member"))
    #expect(shown.output == "for the lab", "\(shown.errors)")
    let copy = folder.path("member/copy.txt")
    let loaded = try member.run(
      "kachery-load", [uri, "--dest", copy], in: folder.path("member"), environment: variables("member"))
    #expect(loaded.code == 0, "\(loaded.errors)")
    #expect(FileManager.default.contentsEqual(atPath: text, andPath: copy))
    // The user who runs the daemon has it as well.
    let owners = try owner.run("kachery-cat", [uri], in: folder.path("node"), environment: variables("node"))
    #expect(owners.output == "for the lab", "\(owners.errors)")
  }

  /// Its bytes are sent, because the daemon itself cannot open it.
  @Test func aMemberStoresAFileOfTheirOwnAlone() throws {
    let secret = folder.path("member/secret.txt")
    try Data("my own".utf8).write(to: URL(filePath: secret))
    chown(secret, member.number, member.number)
    chmod(secret, 0o600)
    let stored = try member.run("kachery-store", [secret], in: folder.path("member"), environment: variables("member"))
    #expect(stored.code == 0, "\(stored.errors)")
  }

  @Test func aStrangerIsRefusedInASentence() throws {
    for (program, arguments) in [
      ("kachery-store", ["/etc/hostname"]), ("kachery-load", ["sha1://\(String(repeating: "a", count: 40))"]),
    ] {
      let answer = try stranger.run(
        program, arguments, in: folder.path("stranger"), environment: variables("stranger"))
      #expect(answer.code == 1)
      #expect(answer.errors.contains("you may not use this daemon"), "\(answer.errors)")
      #expect(answer.errors.contains("--auth-group"), "\(answer.errors)")
      #expect(answer.errors.contains("export KACHERY_P2P_API_PORT="), "\(answer.errors)")
    }
    let info = try stranger.run("kachery-info", [], in: folder.path("stranger"), environment: variables("stranger"))
    #expect(info.output.contains("You do not have access"))
  }

  @Test func theSocketIdentifiesTheUser() throws {
    #expect(try overSocket(owner, "/mutable/get").status == "200")
    #expect(try overSocket(member, "/mutable/get").status == "200")
    #expect(try overSocket(nil, "/mutable/get").status == "200", "root")
    let refused = try overSocket(stranger, "/mutable/get")
    #expect(refused.status == "403")
    #expect(
      refused.body.contains("User 61003 may not use this daemon") && refused.body.contains("'users'"), "\(refused)")
    for path in ["/store", "/halt", "/v1/store/remove", "/loadFile", "/storeFile"] {
      let answer = try overSocket(stranger, path)
      #expect(answer.status == "403" || path == "/halt" && answer.status == "405", "\(path): \(answer)")
    }
    #expect(try overSocket(stranger, "/probe").body.contains(#""hasAccess":false"#))
    #expect(try overSocket(member, "/probe").body.contains(#""hasAccess":true"#))
    // Over the port only the token counts.
    var request = daemon.request("/mutable/get", ["key": "x"])
    request.headers = []
    #expect(try HTTPClient.fetch(request, limit: 1 << 16).status == 403)
  }

  /// What the owner keeps and shares is not for the group to decide, over the socket and with the token that the group
  /// can read.
  @Test func aMemberNeitherStopsNorRemovesNorJoins() throws {
    let stored = try daemon.store(try folder.write("kept.txt", "kept"))
    let hashes = #"{"sha1s":["\#(stored.hash)"]}"#
    let channels = #"{"key":"_joined_channels_config","value":{"joinedChannels":[]}}"#
    let forbidden = [
      ("/v1/store/remove", hashes), ("/v1/store/pin", hashes), ("/v1/store/unpin", hashes), ("/v1/store/collect", "{}"),
      ("/v1/store/verify", "{}"), ("/feed/deleteFeed", "{}"), ("/v1/channels/reload", "{}"),
      ("/v1/channels/check", "{}"), ("/mutable/set", channels), ("/halt", ""),
    ]
    let allowed = [
      ("/v1/store/list", "{}"), ("/v1/channels", "{}"), ("/mutable/set", #"{"key":"color","value":1}"#),
      ("/feed/createFeed", "{}"), ("/v1/peers", ""),
    ]
    for way in [
      ["--unix-socket", "\(daemon.storage)/\(APIVersion.socketName)", "http://localhost"],
      ["-H", "\(APIVersion.tokenHeader): \(daemon.token)", "http://127.0.0.1:\(daemon.apiPort)"],
    ] {
      for (user, calls, expected) in [(member, forbidden, "403"), (member, allowed, "200"), (owner, allowed, "200")] {
        for (path, body) in calls {
          let data = body.isEmpty ? [] : ["-d", body]
          let answer = try user.run(
            "/usr/bin/curl", ["-s", "-w", "%{http_code}"] + data + way.dropLast() + ["\(way[way.count - 1])\(path)"],
            in: folder.path)
          #expect(answer.output.hasSuffix(expected), "\(user.number) \(path): \(answer)")
          if expected == "403" { #expect(answer.output.contains("'users'"), "\(path): \(answer)") }
        }
      }
    }
    #expect(daemon.isRunning)
    let stopping = try member.run("kachery", ["daemon", "stop"], in: folder.path, environment: variables("member"))
    #expect(stopping.code == 1 && stopping.errors.contains("Only user 61001"), "\(stopping)")
    let stopped = try owner.run(
      "kachery", ["daemon", "stop"], in: folder.path("node"), environment: variables("node"))
    #expect(stopped.code == 0, "\(stopped)")
  }

  /// Nor can the daemon's own user write there by mistake; read-only files can still be removed.
  @Test func itsOwnUserWritesToNoStoredFile() throws {
    let stored = try daemon.store(try folder.write("shared.txt", "shared"))
    let file = "\(daemon.storage)/sha1/\(ContentStorePath.relative(stored.hash))"
    let attempt = try owner.run("/bin/sh", ["-c", "echo x >>'\(file)'"], in: folder.path("node"))
    #expect(attempt.code != 0)
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "shared")
    let keeping = try owner.run(
      "kachery", ["rm", "sha1://\(stored.hash)"], in: folder.path("node"), environment: variables("node"))
    #expect(keeping.code == 0, "\(keeping.errors)")
    #expect(!FileManager.default.fileExists(atPath: file))
    let emptied = try owner.run(
      "kachery", ["gc", "--trash"], in: folder.path("node"), environment: variables("node"))
    #expect(emptied.code == 0 && emptied.output.contains("6 B"), "\(emptied)")
  }

  /// A process that ends after making a file read-only and before naming it leaves a file that only root could write
  /// to.
  @Test func whatAKilledProcessLeftReadOnlyIsRemoved() throws {
    let left = "\(daemon.storage)/kachery-node/temporary/left"
    let made = try owner.run(
      "/bin/sh", ["-c", "mkdir -p \"$(dirname '\(left)')\"; echo x >'\(left)'; chmod 444 '\(left)'"],
      in: folder.path("node"))
    #expect(made.code == 0, "\(made.errors)")
    #expect(daemon.stop() == 0)
    try daemon.start()
    #expect(!FileManager.default.fileExists(atPath: left))
  }

  /// Not the files that the daemon keeps for itself either, and not what an earlier version has let them read.
  @Test func otherUsersReadNothingOfTheDaemonsOwn() throws {
    let stored = try daemon.store(try folder.write("removed.txt", "removed"))
    let keeping = try owner.run(
      "kachery", ["rm", "sha1://\(stored.hash)"], in: folder.path("node"), environment: variables("node"))
    #expect(keeping.code == 0, "\(keeping.errors)")
    let pinned = try daemon.store(try folder.write("pinned.txt", "pinned"))
    let pinning = try owner.run(
      "kachery", ["pin", "sha1://\(pinned.hash)"], in: folder.path("node"), environment: variables("node"))
    #expect(pinning.code == 0, "\(pinning.errors)")
    let own = "\(daemon.storage)/kachery-node"
    func readable() throws -> Set<String> {
      // The socket is open to all.
      let found = try stranger.run(
        "/usr/bin/find", [own, "-mindepth", "1", "-readable", "!", "-type", "s"], in: folder.path("stranger"))
      return Set(found.output.split(separator: "\n").map { String($0.dropFirst(own.count + 1)) })
    }
    #expect(try readable() == ["pins"])
    #expect(daemon.stop() == 0)
    for name in ["daemon.lock", "port"] { #expect(chmod("\(own)/\(name)", 0o644) == 0) }
    for name in ["temporary", "trash"] { #expect(chmod("\(own)/\(name)", 0o755) == 0) }
    #expect(try readable().count > 4, "as earlier versions have left them")
    try daemon.start()
    #expect(try readable() == ["pins"])
    #expect(try overSocket(stranger, "/probe").body.contains(#""hasAccess":false"#))
  }

  /// Other users cannot write there, whatever groups they are in.
  @Test func otherUsersCannotWriteToTheDirectory() throws {
    let text = try folder.write("shared.txt", "shared")
    let stored = try daemon.store(text)
    let file = "\(daemon.storage)/sha1/\(ContentStorePath.relative(stored.hash))"
    let places = try #require(FileManager.default.enumerator(atPath: daemon.storage)).compactMap { $0 as? String }
    #expect(places.count > 8)
    for place in [""] + places {
      let path = "\(daemon.storage)/\(place)"
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      guard attributes[.type] as? FileAttributeType != .typeSocket else { continue }
      let permissions = try #require(attributes[.posixPermissions] as? Int)
      #expect(permissions & 0o022 == 0, "\(path) is \(String(permissions, radix: 8))")
    }
    for user in [member, stranger] {
      let attempts = """
        cd '\(daemon.storage)' && for place in . sha1 kachery-node kachery-node/temporary; do
          if echo x 2>/dev/null >"$place/intruder"; then echo "wrote into $place"; fi; done
        if echo x 2>/dev/null >>'\(file)'; then echo 'wrote to a file'; fi
        if rm -f kachery-node/api.socket '\(file)' 2>/dev/null; then echo 'removed'; fi
        cat '\(file)'
        """
      let outcome = try user.run("/bin/sh", ["-c", attempts], in: folder.path)
      // Its files are readable by everyone, as by other machines that mount the directory.
      #expect(outcome.output == "shared", "\(outcome)")
    }
    for secret in ["client-auth", "mutables.db", "../config/private.pem"] {
      let outcome = try stranger.run("/bin/cat", ["\(daemon.storage)/\(secret)"], in: folder.path)
      #expect(outcome.code != 0 && outcome.output.isEmpty, "\(secret)")
    }
  }
}
