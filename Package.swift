// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

// The base and the core are optimized in debug builds as well, with all their assertions, or the simulations and the tests of
// arithmetic would take several times as long.
let optimized: [SwiftSetting] = [
  .unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))
]

// Embedded in the program, so that it needs no folder beside it.
let pageFiles = [
  "page.html", "page.css", "icon.svg", "array.js", "channels.js", "connection.js", "dom.js", "feeds.js", "format.js",
  "main.js", "overview.js", "peers.js", "picture.js", "plot.js", "preview.js", "store.js",
].map { Resource.embedInCode("Files/\($0)") }

func module(
  _ name: String, in folder: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)", resources: resources,
    swiftSettings: ["Base", "Core"].contains(folder) ? strict + optimized : strict)
}

func command(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: "Sources/Commands/\(name)", swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, path: "Tests/\(name)", resources: resources, swiftSettings: strict)
}

func shim(
  _ name: String, pkgConfig: String? = nil, apt: String? = nil, compiled: Bool = false, linking libraries: [String] = []
) -> Target {
  // Always optimized, or the tests would wait for it.
  guard !compiled else {
    return .target(
      name: name, path: "CShims/\(name)", cSettings: [.unsafeFlags(["-O2", "-Wall", "-Werror"])],
      linkerSettings: libraries.map { .linkedLibrary($0) })
  }
  return .systemLibrary(
    name: name, path: "CShims/\(name)", pkgConfig: pkgConfig, providers: apt.map { [.apt([$0])] } ?? [])
}

let package = Package(
  name: "kachery",
  products: [
    .executable(name: "kachery", targets: ["kachery"]),
    .executable(name: "kacheryd", targets: ["kacheryd"]),
  ],
  targets: [
    // C libraries, one shim each; the smallest possible C.
    shim("CUV", pkgConfig: "libuv", apt: "libuv1-dev"),
    shim("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
    shim("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
    shim("CMicroHTTPD", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
    // Not through pkg-config, which on Debian 13 names Kerberos' folder in a way that SwiftPM warns about at each build.
    shim("CCurl", apt: "libcurl4-openssl-dev"),
    shim("CYAML", pkgConfig: "yaml-0.1", apt: "libyaml-dev"),
    // Debian has no description of it for pkg-config.
    shim("CWSLay", apt: "libwslay-dev"),
    shim("CPosix"),
    shim("CSHA1", compiled: true),
    // Debian has no description of libnatpmp for pkg-config.
    shim("CPortMapping", compiled: true, linking: ["natpmp", "miniupnpc"]),
    shim("CDatagrams", compiled: true),
    shim("CNgtcp2", compiled: true, linking: ["ngtcp2_crypto_gnutls", "ngtcp2", "gnutls"]),

    // Base: imports nothing of ours but Base.
    module("Primitives", in: "Base"),
    module("Ed25519Batch", in: "Base", ["COpenSSL"]),
    module("Crypto", in: "Base", ["Primitives", "Ed25519Batch", "COpenSSL", "CSHA1"]),
    module("Diagnostics", in: "Base", ["Primitives"]),
    module("APIModel", in: "Base", ["Primitives"]),
    module("Invitations", in: "Base", ["Primitives", "Crypto"]),

    // Core: state machines without I/O.
    module("Wire", in: "Core", ["Primitives", "Crypto"]),
    module("Mux", in: "Core", ["Primitives", "Wire"]),
    module("Discovery", in: "Core", ["Primitives", "Crypto", "Wire"]),
    module("Traversal", in: "Core", ["Primitives", "Crypto", "Wire"]),
    module("Transfer", in: "Core", ["Primitives", "Wire"]),
    module("Feeds", in: "Core", ["Primitives", "Crypto", "Wire"]),
    module(
      "NodeCore", in: "Core",
      ["Primitives", "Crypto", "Diagnostics", "Wire", "Discovery", "Traversal", "Transfer", "Feeds"]),

    // Platform: I/O and C.
    module("EventLoop", in: "Platform", ["Primitives", "Threads", "CUV", "CDatagrams"]),
    module("Files", in: "Platform", ["Primitives", "CPosix"]),
    module("Threads", in: "Platform", ["Primitives", "CPosix"]),
    module("Process", in: "Platform", ["Primitives", "Threads"]),
    module("Terminal", in: "Platform"),
    module("Database", in: "Platform", ["Primitives", "CSQLite"]),
    module("TLS", in: "Platform", ["Primitives", "Crypto", "COpenSSL"]),
    module("HTTP", in: "Platform", ["Primitives", "Threads", "CMicroHTTPD", "CCurl"]),
    module("WebSocket", in: "Platform", ["Primitives", "Crypto", "COpenSSL", "CWSLay"]),
    module("PortMapping", in: "Platform", ["Primitives", "CPortMapping"]),
    module("QUIC", in: "Platform", ["Primitives", "Crypto", "CNgtcp2"]),
    module("YAML", in: "Platform", ["Primitives", "CYAML"]),

    // Services: Platform + Base, and from Core only Wire and Mux.
    module(
      "ContentStore", in: "Services",
      ["Primitives", "Crypto", "Diagnostics", "Files", "Threads", "Database", "YAML"]),
    module("Backup", in: "Services", ["Primitives", "APIModel", "Crypto", "Database", "Files"]),
    module("SelfTest", in: "Services", ["Primitives", "Files", "Process", "Database", "HTTP"]),
    module("Settings", in: "Services", ["Primitives", "APIModel", "Files", "HTTP", "YAML"]),
    module("FeedStore", in: "Services", ["Primitives", "Crypto", "Database", "Files", "Threads"]),
    module(
      "Links", in: "Services",
      ["Primitives", "Crypto", "Diagnostics", "EventLoop", "TLS", "HTTP", "WebSocket", "QUIC", "Wire", "Mux"]),
    module("Page", in: "Services", resources: pageFiles),
    module("HTTPServing", in: "Services", ["Primitives", "EventLoop", "HTTP"]),
    module(
      "LocalAPI", in: "Services",
      ["Primitives", "APIModel", "Crypto", "Diagnostics", "EventLoop", "Files", "HTTP", "HTTPServing", "Page"]),
    module("Gateway", in: "Services", ["Primitives", "Diagnostics", "EventLoop", "HTTP", "HTTPServing"]),

    // Composition and commands.
    .target(
      name: "Daemon",
      dependencies: [
        "Primitives", "Crypto", "Diagnostics", "APIModel", "Wire", "Mux", "Discovery", "Traversal", "Transfer", "Feeds",
        "NodeCore", "EventLoop", "Files", "Threads", "Process", "Database", "TLS", "HTTP", "QUIC", "YAML",
        "PortMapping",
        "ContentStore", "FeedStore", "Links", "LocalAPI", "Gateway", "Settings",
      ],
      path: "Sources/Daemon", exclude: ["README.md"], swiftSettings: strict),
    command("kacheryd", ["Daemon"]),
    command(
      "kachery",
      [
        "Primitives", "Crypto", "APIModel", "Diagnostics", "Files", "Threads", "Process", "Terminal", "ContentStore",
        "HTTP", "YAML", "Invitations", "Settings", "Backup", "SelfTest",
      ]),

    // `Benchmarks/scaling.py` runs it.
    .executableTarget(
      name: "scaling", dependencies: ["Primitives", "Crypto", "Wire", "Transfer", "Discovery", "NodeCore"],
      path: "Benchmarks/Scaling",
      swiftSettings: strict,
      linkerSettings: [.linkedLibrary("m")]),

    // Tests mirror the sources.
    .target(
      name: "TestSupport", dependencies: ["Primitives", "Crypto", "Files", "Wire", "Discovery", "Transfer"],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    tests("PrimitivesTests", ["Primitives", "TestSupport"]),
    tests("Ed25519BatchTests", ["Ed25519Batch", "Crypto", "Primitives", "TestSupport"]),
    tests("CryptoTests", ["Crypto", "Primitives", "TestSupport"]),
    tests("DiagnosticsTests", ["Diagnostics", "Primitives", "TestSupport"]),
    tests("APIModelTests", ["APIModel", "Primitives", "TestSupport"]),
    tests("InvitationsTests", ["Invitations", "Crypto", "Primitives", "TestSupport"]),
    tests("WireTests", ["Wire", "Crypto", "Primitives", "TestSupport"]),
    tests("MuxTests", ["Mux", "Wire", "Primitives", "TestSupport"]),
    tests("DiscoveryTests", ["Discovery", "Wire", "Crypto", "Primitives", "TestSupport"]),
    tests("TraversalTests", ["Traversal", "Wire", "Primitives", "TestSupport"]),
    tests("TransferTests", ["Transfer", "Wire", "Primitives", "TestSupport"]),
    tests("FeedsTests", ["Feeds", "Wire", "Crypto", "Primitives", "TestSupport"]),
    tests(
      "SimulationTests",
      [
        "NodeCore", "Transfer", "Feeds", "Discovery", "Traversal", "Wire", "Crypto", "Diagnostics", "Primitives",
        "TestSupport",
      ]),
    tests(
      "ConformanceTests", ["ContentStore", "Transfer", "Crypto", "Diagnostics", "Files", "Primitives", "TestSupport"]),
    tests("EventLoopTests", ["EventLoop", "Primitives", "TestSupport"]),
    tests("FilesTests", ["Files", "Primitives", "TestSupport"]),
    tests("ThreadsTests", ["Threads", "Primitives", "TestSupport"]),
    tests("TerminalTests", ["Terminal", "TestSupport"]),
    tests("DatabaseTests", ["Database", "Primitives", "TestSupport"]),
    tests("TLSTests", ["TLS", "Crypto", "Primitives", "TestSupport", "COpenSSL"]),
    tests("HTTPTests", ["HTTP", "EventLoop", "Primitives", "TestSupport"]),
    tests("WebSocketTests", ["WebSocket", "Primitives", "TestSupport"]),
    tests("PortMappingTests", ["PortMapping", "EventLoop", "Primitives", "TestSupport"]),
    tests("QUICTests", ["QUIC", "Crypto", "Primitives", "TestSupport"]),
    tests("YAMLTests", ["YAML", "Primitives", "TestSupport"]),
    tests("ContentStoreTests", ["ContentStore", "Files", "Crypto", "Diagnostics", "Primitives", "TestSupport"]),
    tests("SettingsTests", ["Settings", "Primitives", "TestSupport"]),
    tests("SelfTestTests", ["SelfTest", "Files", "Primitives", "TestSupport"]),
    tests("BackupTests", ["Backup", "FeedStore", "Crypto", "Database", "Files", "Primitives", "TestSupport"]),
    tests("ProcessTests", ["Process", "Primitives", "TestSupport"]),
    tests("FeedStoreTests", ["FeedStore", "Crypto", "Database", "Files", "Primitives", "TestSupport"]),
    tests(
      "LinksTests",
      ["Links", "EventLoop", "TLS", "QUIC", "Wire", "Mux", "Crypto", "Diagnostics", "Primitives", "TestSupport"]),
    tests(
      "LocalAPITests",
      ["LocalAPI", "Page", "HTTP", "EventLoop", "APIModel", "Crypto", "Diagnostics", "Primitives", "TestSupport"]),
    tests(
      "GatewayTests", ["Gateway", "HTTP", "EventLoop", "Crypto", "Diagnostics", "Primitives", "TestSupport"]),
    tests(
      "DaemonTests",
      [
        "Daemon", "APIModel", "Transfer", "NodeCore", "Discovery", "Wire", "FeedStore", "ContentStore", "Links", "TLS",
        "QUIC", "EventLoop", "Crypto", "HTTP", "Settings", "Process",
        "Diagnostics", "Primitives", "TestSupport",
      ]),
    tests("ArchitectureTests", ["TestSupport"]),
    tests(
      "IntegrationTests",
      [
        "Discovery", "Wire", "Links", "TLS", "EventLoop", "APIModel", "Crypto", "Database", "Files", "HTTP",
        "Primitives", "TestSupport",
      ]),
  ]
)
