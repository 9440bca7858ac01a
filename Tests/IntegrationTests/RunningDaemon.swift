import APIModel
import Crypto
import Foundation
import HTTP
import Primitives
import TestSupport
import Testing

/// A real daemon process, with a separate folder and ports; killed when the test releases it.
final class RunningDaemon {
  let folder: String
  private(set) var apiPort: UInt16 = 0
  private(set) var linkPort: UInt16 = 0
  private var process = Process()
  private let options: [String]
  /// 0 for any.
  private let wantedPort: UInt16
  private let user: SystemUser?
  private let configuration: String

  var processIdentifier: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }

  var storage: String { "\(folder)/storage" }

  /// The programs are in the folder of the tests' build, unless `make attack` names others.
  static let programs: URL =
    ProcessInfo.processInfo.environment["KACHERY_ATTACKED_PROGRAMS"].map { URL(filePath: $0) }
    ?? URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

  /// Sanitizer options for the tests also apply to the programs that they start.
  static let sanitizerOptions = ProcessInfo.processInfo.environment.filter {
    ["ASAN_OPTIONS", "TSAN_OPTIONS"].contains($0.key)
  }

  /// Starts a daemon, optionally as another user, and waits until it reports its ports.
  ///
  /// - Parameters:
  ///   - configuration: the folder of its key pair; by default in its own folder.
  ///   - apiPort: by default any free port.
  init(
    in folder: String, _ options: [String], as user: SystemUser? = nil, configuration: String? = nil,
    apiPort: UInt16 = 0
  ) throws {
    self.folder = folder
    self.configuration = configuration ?? "\(folder)/config"
    (self.apiPort, wantedPort) = (apiPort, apiPort)
    self.options = options
    self.user = user
    try start()
  }

  deinit { kill() }

  /// Starts the daemon, for the first time or again: at the same port, unless another test's daemon has got it meanwhile.
  func start() throws {
    do { try startOnce() } catch let error as KacheryError
      where apiPort != wantedPort && error.message.contains("Port \(apiPort) ")
    {
      apiPort = wantedPort
      try startOnce()
    }
  }

  private func startOnce() throws {
    process = Process()
    // Otherwise tests that run concurrently would find each other's daemons, and those of the machines around this one.
    let arguments = ["--label", "test", "--nomulticast"] + options
    if let user {
      user.prepare(process, "kacheryd", arguments)
    } else {
      process.executableURL = Self.programs.appending(path: "kacheryd")
      process.arguments = arguments
    }
    process.environment = environment
    // A file, not a pipe: the daemon must not depend on a reader.
    let logPath = "\(folder)/daemon.log"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data().write(to: URL(filePath: logPath))
    let log = try FileHandle(forWritingTo: URL(filePath: logPath))
    process.standardError = log
    try process.run()
    // Foundation keeps every process that it has started, and its files with it. With thousands of descriptors it no
    // longer notices that processes end.
    try log.close()
    let start = try waitForStart(logPath)
    apiPort = try #require(start.firstMatch(of: /http:\/\/127\.0\.0\.1:(\d+)/).flatMap { UInt16($0.1) })
    linkPort = try #require(start.firstMatch(of: /links on port (\d+)/).flatMap { UInt16($0.1) })
  }

  /// The log up to the line that reports the start.
  private func waitForStart(_ logPath: String) throws -> String {
    for _ in 0..<2_000 {
      let isRunning = process.isRunning
      let log = try String(contentsOfFile: logPath, encoding: .utf8)
      if log.contains("is running"), log.hasSuffix("\n") { return log }
      guard isRunning else { throw KacheryError(.internalError, "The daemon did not start: \(log)") }
      usleep(10_000)
    }
    throw KacheryError(.timedOut, "The daemon in \(folder) has not reported its start.")
  }

  /// The environment for commands that use this daemon.
  var environment: [String: String] {
    [
      "HOME": folder, "KACHERY_STORAGE_DIR": storage, "KACHERY_P2P_CONFIG_DIR": configuration,
      "KACHERY_P2P_API_PORT": String(apiPort), "PATH": "/usr/bin:/bin",
    ].merging(Self.sanitizerOptions) { own, _ in own }
  }

  /// Ends it as a power failure would.
  func kill() {
    guard process.isRunning else { return }
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitForEnd()
  }

  /// Sends it a signal.
  func signal(_ number: Int32) { Foundation.kill(process.processIdentifier, number) }

  /// Stops it normally; returns its exit code.
  func stop() -> Int32 {
    process.terminate()
    process.waitForEnd()
    return process.terminationStatus
  }

  /// The process's peak memory, in bytes.
  func peakMemory() throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(processIdentifier)/status", encoding: .utf8)
    let kilobytes = try #require(status.firstMatch(of: /VmHWM:\s*(\d+) kB/).flatMap { Int($0.1) })
    return kilobytes << 10
  }

  /// The processor time that the process has used, in seconds.
  func processorSeconds() throws -> Double {
    let fields = try String(contentsOfFile: "/proc/\(processIdentifier)/stat", encoding: .utf8).split(separator: " ")
    let ticks = try #require(Double(fields[13])) + #require(Double(fields[14]))
    return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  // MARK: The API

  var token: String { (try? String(contentsOfFile: "\(storage)/client-auth", encoding: .utf8)) ?? "" }

  func request(_ path: String, _ body: JSONValue) -> HTTPRequest {
    var request = HTTPRequest("POST", "http://127.0.0.1:\(apiPort)\(path)")
    request.headers = [(APIVersion.tokenHeader, token)]
    request.body = .bytes(body.compactBytes)
    request.timeout = .seconds(60)
    return request
  }

  func post(_ path: String, _ body: JSONValue) throws -> JSONValue {
    let (status, bytes) = try HTTPClient.fetch(request(path, body), limit: 16 << 20)
    #expect(status == 200, "\(String(decoding: bytes, as: UTF8.self))")
    return try JSONParser.parse(bytes)
  }

  /// Creates a feed with this number of messages.
  func createFeed(of count: Int) throws -> SubfeedKey {
    let feed = try #require(try post("/feed/createFeed", [:])["feedId"]?.string.flatMap { FeedID(hex: $0) })
    let key = SubfeedKey(feed, SubfeedHash(ContentHash.of(Array("main".utf8))))
    let answer = try post(
      "/feed/appendMessages",
      [
        "feedId": .string(feed.hex), "subfeedHash": .string(key.subfeed.hex),
        "messages": .array((0..<count).map { ["n": .integer(Int64($0))] }),
      ])
    #expect(answer == ["success": true])
    return key
  }

  /// What it has logged.
  func log() throws -> String { try String(contentsOfFile: "\(folder)/daemon.log", encoding: .utf8) }

  func store(_ path: String) throws -> StoreReply {
    try StoreReply(json: try post("/storeFile", ["localFilePath": .string(path)]))
  }

  /// Loads a file; `watch` receives each progress, and `waits`, if given, each node that serves others first.
  /// Throws the error that the daemon reports.
  func load(
    _ key: FileKey, watch: (UInt64) -> Void = { _ in }, waits: ((NodeID) -> Void)? = nil
  ) throws -> String {
    var decoder = MessageStreamDecoder()
    var outcome: Result<String, any Error>?
    try HTTPClient.stream(request("/loadFile", LoadRequest(key: key, reportWaiting: waits != nil).json)) { _, bytes in
      for message in (try? decoder.receive(bytes)) ?? [] {
        do {
          switch try LoadEvent(json: message) {
          case .progress(let loaded, _, _): watch(loaded)
          case .waiting(let busy):
            #expect(waits != nil, "only clients that know the message may get it")
            waits?(busy.node)
          case .finished(let path): outcome = .success(path)
          }
        } catch { outcome = .failure(error) }
      }
      return true
    }
    return try #require(outcome).get()
  }

  func found(_ key: FileKey) throws -> [JSONValue] {
    let (_, bytes) = try HTTPClient.fetch(
      request("/findFile", ["fileKey": key.json, "timeoutMsec": 3_000]), limit: 1 << 20)
    var decoder = MessageStreamDecoder()
    return try decoder.receive(bytes)
  }

  var nodeID: NodeID {
    get throws {
      let (_, bytes) = try HTTPClient.fetch(HTTPRequest("GET", "http://127.0.0.1:\(apiPort)/probe"), limit: 1 << 16)
      return try ProbeReply(json: try JSONParser.parse(bytes)).node
    }
  }

  /// Waits until it has `count` links.
  func waitForLinks(_ count: Int) throws {
    for _ in 0..<400 {
      var request = HTTPRequest("GET", "http://127.0.0.1:\(apiPort)/stats?format=json")
      request.headers = [(APIVersion.tokenHeader, token)]
      let stats = try JSONParser.parse(try HTTPClient.fetch(request, limit: 1 << 20).body)
      if let links = stats["stats"]?["kachery_links"]?.integer, links >= count { return }
      usleep(25_000)
    }
    throw KacheryError(.timedOut, "The daemon in \(folder) is not linked to \(count) nodes.")
  }
}

/// Runs the command-line program by one of its names; returns its exit code and output.
func run(
  _ name: String, _ arguments: [String], in folder: String, environment: [String: String], input: String? = nil
) throws -> (code: Int32, output: String, errors: String) {
  let link = "\(folder)/\(name)"
  if !FileManager.default.fileExists(atPath: link) {
    let program = RunningDaemon.programs.appending(path: "kachery").path
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: program)
  }
  return try runProgram(link, arguments, in: folder, environment: environment, input: input)
}

/// Runs a program; returns its exit code and output.
func runProgram(
  _ path: String, _ arguments: [String], in folder: String, environment: [String: String], input: String? = nil
) throws -> (code: Int32, output: String, errors: String) {
  let process = Process()
  process.executableURL = URL(filePath: path)
  process.arguments = arguments
  process.environment = environment.merging(RunningDaemon.sanitizerOptions) { own, _ in own }
  process.currentDirectoryURL = URL(filePath: folder)
  return try finish(process, input: input)
}

/// Runs a process to its end; returns its exit code and output.
func finish(_ process: Process, input: String? = nil) throws -> (code: Int32, output: String, errors: String) {
  let (output, errors, source) = (Pipe(), Pipe(), Pipe())
  process.standardOutput = output
  process.standardError = errors
  process.standardInput = source
  try process.run()
  if let input { source.fileHandleForWriting.write(Data(input.utf8)) }
  try source.fileHandleForWriting.close()
  let printed = output.fileHandleForReading.readDataToEndOfFile()
  let complained = errors.fileHandleForReading.readDataToEndOfFile()
  // See `RunningDaemon.start`.
  for end in [output, errors] { try end.fileHandleForReading.close() }
  process.waitForEnd()
  return (
    process.terminationStatus, String(decoding: printed, as: UTF8.self), String(decoding: complained, as: UTF8.self)
  )
}
