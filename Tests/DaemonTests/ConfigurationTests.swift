import Discovery
import Foundation
import HTTP
import Primitives
import Settings
import TestSupport
import Testing

@testable import Daemon

@Suite struct ConfigurationTests {
  private func parse(_ arguments: [String], _ environment: [ByteString: String] = ["HOME": "/home/me"]) throws
    -> DaemonConfiguration
  {
    try DaemonOptions.parse(arguments, environment: environment, hostName: "machine")
  }

  private func reloaded(_ yaml: String) throws -> ReloadedSettings {
    ReloadedSettings(try SettingsFile(yaml: Array(yaml.utf8)))
  }

  @Test func defaults() throws {
    let configuration = try parse([])
    #expect(configuration.label == "machine")
    #expect(configuration.storageDirectory == "/home/me/kachery-storage")
    #expect(configuration.configurationDirectory == "/home/me/.kachery-p2p")
    #expect(configuration.apiPort == 20_431)
    #expect(configuration.apiHost == "127.0.0.1")
    #expect(configuration.port == 0)
    #expect(configuration.punches)
    #expect(try !parse(["--no-punching"]).punches)
    #expect(try !parse(["--no-port-guessing"]).guessesPorts && parse([]).guessesPorts)
    #expect(try parse(["--isbootstrap"]).port == DaemonConfiguration.defaultBootstrapPort)
    #expect(try parse(["--isbootstrap", "--port", "0"]).port == 0)
  }

  @Test func theGatewayIsOffUnlessItIsGivenAnAddress() throws {
    #expect(try parse([]).gateway == nil)
    let configuration = try parse([
      "--gateway", "0.0.0.0:8080", "--gateway-channel", "a", "--gateway-channel=b", "--gateway-origin", "*",
    ])
    #expect(configuration.gateway?.description == "0.0.0.0:8080" && configuration.gatewayChannels == ["a", "b"])
    #expect(configuration.gatewayOrigins == ["*"] && configuration.channels.isEmpty)
    for arguments in [
      ["--gateway-channel", "a"], ["--gateway-origin", "*"], ["--gateway", "lab.example.org:80"],
      ["--gateway", "[::1]:80"], ["--gateway", "0.0.0.0:8080", "--gateway-origin", "lab.example.org"],
      ["--gateway", "8080"],
    ] { #expect(throws: KacheryError.self, "\(arguments)") { try parse(arguments) } }
  }

  @Test func everyPublishedOptionIsAccepted() throws {
    let configuration = try parse([
      "--label", "lab", "--port=5000", "--host", "lab.example.org", "--bootstrap", "a:1", "--bootstrap", "b:2",
      "--channel", "x", "--isbootstrap", "--also-listen", "443", "--also-listen", "80", "--noudp", "--nomulticast",
      "--verbose", "1", "--static-config", "f",
      "--auth-group", "g", "--udp-port", "1", "--websocket-port", "2", "--public-url", "http://x",
    ])
    #expect(configuration.label == "lab")
    #expect(configuration.furtherPorts == [443, 80])
    #expect(configuration.port == 5_000)
    #expect(configuration.announcedHost == "lab.example.org")
    #expect(configuration.bootstraps.map(\.description) == ["a:1", "b:2"])
    #expect(configuration.channels == ["x"])
    #expect(configuration.authorizedGroup == "g")
    #expect(configuration.logLevel == .debug)
    #expect(!configuration.announcesByMulticast)
    #expect(try parse([]).announcesByMulticast)
  }

  /// An option comes before the environment, and that before kachery.yaml.
  @Test func theOwnerDecidesWhetherTheRouterIsAsked() throws {
    func isAllowed(_ arguments: [String] = [], _ variable: String? = nil, yaml: String = "limitUp: 5") throws -> Bool {
      var environment: [ByteString: String] = ["HOME": "/h"]
      environment["KACHERY_P2P_PORT_MAPPING"] = variable
      return try parse(arguments, environment).allowsMapping(try reloaded(yaml))
    }
    #expect(try isAllowed() && isAllowed([], "yes") && isAllowed([], "1") && isAllowed(yaml: "portMapping: yes"))
    #expect(try !isAllowed([], "no") && !isAllowed([], "0") && !isAllowed(yaml: "portMapping: no"))
    #expect(try !isAllowed([], "no", yaml: "portMapping: on") && isAllowed([], "yes", yaml: "portMapping: false"))
    #expect(try !isAllowed(["--no-port-mapping"], "yes", yaml: "portMapping: yes"))
    #expect(throws: KacheryError.self) { try isAllowed([], "perhaps") }
    #expect(try isAllowed(yaml: "portMapping: 5"), "a wrong value has no effect")
  }

  @Test(
    arguments: [
      ([], [.natPMP, .upnp]), (["--nomulticast"], [.natPMP]), (["--noudp"], []), (["--no-port-mapping"], []),
      (["--host", "lab.example.org"], []),
    ] as [([String], [PortMappingProtocol])])
  func theProtocolsFollowFromTheOptions(options: [String], methods: [PortMappingProtocol]) throws {
    var configuration = try parse(options)
    #expect(configuration.mappingMethods(hasProxy: false, isAllowed: true) == methods)
    #expect(configuration.mappingMethods(hasProxy: true, isAllowed: true) == [])
    #expect(configuration.mappingMethods(hasProxy: false, isAllowed: false) == [])
    configuration.listenHost = "127.0.0.1"
    #expect(configuration.mappingMethods(hasProxy: false, isAllowed: true) == [])
  }

  /// The recipe for a bootstrap node in the documentation of the published daemon.
  @Test func aNodeWithAHostAndAPortIntroducesOthers() throws {
    let configuration = try parse(["--host", "lab.example.org", "--port", "3008"])
    #expect(configuration.isBootstrap && !configuration.relays && configuration.port == 3_008)
    for options in [["--host", "a"], ["--port", "3008"], ["--host", "a", "--port", "0"]] {
      #expect(try !parse(options).isBootstrap)
    }
    #expect(try parse(["--host", "a", "--port", "3008", "--isbootstrap"]).relays)
  }

  @Test(arguments: [("--bootstrap", "HOST:PORT"), ("--api-listen", "ADDRESS:PORT"), ("--port", "from 0 to 65535")])
  func aWrongValueIsToldWhatItShouldBe(option: String, form: String) {
    let error = #expect(throws: KacheryError.self) { try parse([option, "lab"]) }
    #expect(error?.message.contains("\(option): 'lab' is not") == true && error?.message.contains(form) == true)
  }

  @Test func whatIsNoChannelIsRefused() throws {
    for name in ["", "lab ", "http://", "ftp://a/b"] {
      #expect {
        try parse(["--channel", name])
      } throws: { error in
        (error as? KacheryError)?.message.contains("--channel: The channel") == true
      }
    }
  }

  /// Nothing is written to the root of the file system because the home folder is unknown.
  @Test(arguments: [nil, "", "/", "relative", "//"] as [String?])
  func withoutAHomeFolderTheAccountHasOne(home: String?) throws {
    let variables = home.map { [ByteString("HOME"): $0] } ?? [:]
    let account = try String(cString: #require(getpwuid(geteuid())).pointee.pw_dir)
    guard account.hasPrefix("/"), account != "/" else {
      #expect(throws: KacheryError.self) { try parse([], variables) }
      return
    }
    let configuration = try parse([], variables)
    #expect(configuration.storageDirectory == "\(account)/kachery-storage")
    #expect(configuration.configurationDirectory == "\(account)/.kachery-p2p")
  }

  /// Relative to the current folder, not to the root, if the shell does not say where that is.
  @Test(arguments: [nil, "", "relative"] as [String?])
  func aRelativeFolderIsInTheCurrentOne(pwd: String?) throws {
    var variables: [ByteString: String] = ["HOME": "/home/me", "KACHERY_STORAGE_DIR": "data"]
    variables["PWD"] = pwd
    let current = try #require(realpath(".", nil))
    defer { free(current) }
    #expect(try parse([], variables).storageDirectory == "\(String(cString: current))/data")
  }

  @Test func bootstrapNodesMayBeBehindWebServers() throws {
    let configuration = try parse(
      ["a:1", "wss://b", "wss://c:8443/", "ws://[::1]", "ws://d:81"].flatMap { ["--bootstrap", $0] })
    #expect(configuration.bootstraps.map(\.description) == ["a:1"])
    #expect(
      configuration.webSocketBootstraps.map(\.description)
        == ["wss://b:443", "wss://c:8443", "ws://[::1]:80", "ws://d:81"])
    #expect(try parse(["--websocket-port", "81"]).webSocketPort == 81)
    #expect(try parse(["--websocket-port", ""]).webSocketPort == nil)
  }

  @Test func quicUsesThePortForLinksUnlessItIsToldOtherwise() throws {
    #expect(try parse([]).udpPort == nil)
    #expect(try parse(["--udp-port", ""]).udpPort == nil)
    #expect(try parse(["--udp-port", "81"]).udpPort == 81)
    #expect(try parse([]).reasonAgainstQUIC(hasProxy: false) == nil)
    #expect(try parse([]).reasonAgainstQUIC(hasProxy: true) == "a proxy is configured")
    #expect(try parse(["--noudp"]).reasonAgainstQUIC(hasProxy: false) == "--noudp")
  }

  @Test func aProxyIsNamedByTheOptionOrElseByTheEnvironment() throws {
    let variables: [ByteString: String] = ["HOME": "/h", "https_proxy": "http://a:1", "no_proxy": "x.org"]
    func proxy(_ arguments: [String], yaml: String = "") throws -> String {
      let rules = ProxyRules(try parse(arguments, variables), try reloaded("limitUp: 5\n\(yaml)"))
      return try rules.proxy(for: "x.org")?.description ?? rules.proxy(for: "y.org")?.description ?? "none"
    }
    #expect(try proxy([]) == "http://a:1")
    #expect(try proxy([], yaml: "proxy: http://b:2") == "http://b:2")
    #expect(try proxy(["--proxy", "http://u:p@c:3"], yaml: "proxy: http://b:2") == "http://c:3")
    #expect(try proxy(["--proxy", "none"]) == "none")
    #expect(try proxy([], yaml: "proxy: none") == "none")
    #expect(try proxy([], yaml: "noProxy: x.org, y.org") == "none")
    #expect(try ProxyRules(parse([])).proxy == .none)
  }

  @Test func aProxyThatCannotBeUsedIsRefusedWithoutItsPassword() {
    #expect {
      try parse(["--proxy", "https://u:secret@c:3"])
    } throws: {
      guard let error = $0 as? KacheryError else { return false }
      return error.code == .badRequest && error.message.contains("--proxy: A proxy of the kind https://")
        && !error.message.contains("secret")
    }
  }

  /// A combining mark after the `=` or the `/` forms one `Character` with it.
  @Test func valuesBeginBehindTheSign() throws {
    #expect(try parse(["--channel=\u{301}x"]).channels.map { ByteString($0) } == ["\u{301}x"])
    #expect(try parse([], ["HOME": "/\u{301}h"]).storageDirectory == "/\u{301}h/kachery-storage")
    #expect(ChannelSource.isDocument("/\u{301}lab.yaml"))
    #expect(ChannelSource.isDocument("file://\u{301}/lab.yaml"))
  }

  @Test(arguments: [
    ["--port"], ["--port", "x"], ["--port", "65536"], ["--bootstrap", "nowhere"], ["--wrong"], ["--label", ""],
    ["operand"], ["--verbose", "much"], ["--udp-port", "x"],
    ["--also-listen", "0"], ["--bootstrap", "wss://"], ["--bootstrap", "wss://a/b"], ["--bootstrap", "wss://a/b:1"],
    ["--bootstrap", "ws://a:0"], ["--websocket-port", "x"],
  ])
  func wrongOptionsAreNamed(arguments: [String]) {
    #expect {
      try parse(arguments)
    } throws: {
      ($0 as? KacheryError)?.message.contains(arguments[0]) == true
    }
  }

  @Test func theEnvironmentIsHeard() throws {
    let configuration = try parse(
      [],
      [
        "HOME": "/h", "KACHERY_STORAGE_DIR": "data/", "PWD": "/work", "KACHERY_P2P_CONFIG_DIR": "/c",
        "KACHERY_DAEMON_PORT": "9",
      ])
    #expect(configuration.storageDirectory == "/work/data")
    #expect(configuration.configurationDirectory == "/c")
    #expect(configuration.apiPort == 9)
    #expect(throws: KacheryError.self) { try parse([], ["KACHERY_P2P_API_PORT": "x"]) }
  }
}

@Suite struct ChannelDocumentTests {
  private let document = """
    channelLabel: our lab
    bootstrapAddresses:
      - {hostName: lab.example.org, port: 14507}
    authorizedNodes:
      - nodeId: 1234567890123456789012345678901234567890123456789012345678901234
        nodeLabel: digits only
        isPublic: true
      - nodeId: abababababababababababababababababababababababababababababababab
        somethingNew: 5
    unknown: [1, 2]
    """

  @Test func aDocumentIsRead() throws {
    let channel = try ChannelDocument(yaml: Array(document.utf8))
    #expect(channel.label == "our lab")
    #expect(channel.bootstrapAddresses.map(\.description) == ["lab.example.org:14507"])
    let digits = try #require(NodeID(hex: String(repeating: "1234567890", count: 6) + "1234"))
    #expect(channel.member(digits)?.label == "digits only")
    #expect(channel.member(digits)?.isPublic == true)
    let letters = try #require(NodeID(hex: String(repeating: "ab", count: 32)))
    #expect(channel.member(letters)?.isPublic == false)
    #expect(channel.hasPublicMember)
  }

  @Test(arguments: [
    "", "x", "[]", "channelLabel: x", "authorizedNodes: 5", "authorizedNodes: [5]", "authorizedNodes: [{nodeId: 12}]",
    "authorizedNodes: []\nbootstrapAddresses: [{hostName: a}]", "a: &x 1\nb: *x\nauthorizedNodes: []",
    "authorizedNodes: []\nauthorizedNodes: []", "<html>not found</html>",
  ])
  func whatIsNoneIsRefused(text: String) {
    #expect { try ChannelDocument(yaml: Array(text.utf8)) } throws: { ($0 as? KacheryError)?.code == .badConfiguration }
  }

  @Test(arguments: 0..<20)
  func mutatedDocumentsNeverTrap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<50 { _ = try? ChannelDocument(yaml: random.mutated(Array(document.utf8))) }
  }

  @Test func documentsThatWereKeptAreReadOrRefused() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "channel-document") {
      do throws(KacheryError) { _ = try ChannelDocument(yaml: bytes) } catch {
        #expect(error.code == .badConfiguration || error.code == .tooLarge, "\(name)")
      }
    }
  }
}

@Suite struct NodeIdentityTests {
  @Test func theStorageDirectorysKeyTakesPrecedence() throws {
    let folder = try TemporaryFolder()
    let (storage, configuration) = (folder.path("storage"), folder.path("config"))
    let made = try NodeIdentity(storageDirectory: storage, configurationDirectory: configuration).key.publicKey
    let again = try NodeIdentity(storageDirectory: storage, configurationDirectory: configuration).key.publicKey
    #expect(made == again)
    let other = try NodeIdentity(storageDirectory: folder.path("x"), configurationDirectory: folder.path("y"))
    try FileManager.default.createDirectory(atPath: storage, withIntermediateDirectories: true)
    _ = try folder.write("storage/private.pem", Array(try other.key.pem().utf8), permissions: 0o600)
    let taken = try NodeIdentity(storageDirectory: storage, configurationDirectory: configuration)
    #expect(taken.key.publicKey == other.key.publicKey)
  }

  @Test func oneIdentityIsUsedOnce() throws {
    let folder = try TemporaryFolder()
    let first = try NodeIdentity(storageDirectory: folder.path("a"), configurationDirectory: folder.path("config"))
    #expect {
      _ = try NodeIdentity(storageDirectory: folder.path("b"), configurationDirectory: folder.path("config"))
    } throws: {
      ($0 as? KacheryError)?.code == .alreadyRunning
    }
    withExtendedLifetime(first) {}
  }

  @Test func aDamagedOrForeignKeyIsRefused() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path("config"), withIntermediateDirectories: true)
    _ = try folder.write("config/private.pem", Array("hello".utf8), permissions: 0o600)
    #expect {
      _ = try NodeIdentity(storageDirectory: folder.path("a"), configurationDirectory: folder.path("config"))
    } throws: {
      ($0 as? KacheryError)?.code == .badKey
    }
  }
}
