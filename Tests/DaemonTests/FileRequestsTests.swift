import APIModel
import ContentStore
import Crypto
import EventLoop
import NodeCore
import Primitives
import TestSupport
import Testing
import Transfer
import Wire

@testable import Daemon

/// `FileRequests`: what clients learn about their loads and searches.
@Suite(.timeLimit(.minutes(1))) struct FileRequestsTests {
  private actor Clients {
    let loop: EventLoop
    let store: ContentStore
    let metrics = NodeMetrics()
    private let folder: TemporaryFolder
    private let requests: FileRequests
    private let driver: CoreDriver
    private var loads: [LoadID] = []
    private var finds: [FindID] = []
    /// The events sent to the clients, in order.
    private(set) var told: [String] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      folder = try TemporaryFolder()
      loop = try EventLoop(name: "clients")
      store = try ContentStore(directory: folder.path("store"), log: .disabled)
      let key = try SigningKey.generate()
      driver = CoreDriver(key: key, loop: loop)
      requests = FileRequests(store, driver: driver, loop: loop, metrics: metrics, node: key.publicKey)
    }

    /// Connects the core's answers to the clients. No channel is joined, so no other node has any file.
    func begin() {
      driver.onEffect = { effect in
        switch effect {
        case .client(let effect): self.requests.perform(effect)
        case .failed(let load, let error): self.requests.failed(load, error)
        default: break
        }
      }
      driver.input { $0.setChannels([], at: $1) }
    }

    func storeFile(_ bytes: [UInt8]) throws -> ContentHash {
      try store.store(path: try folder.write("file", bytes)).hash
    }

    func load(_ hash: ContentHash, channel: String? = nil, reportsWaits: Bool = true) {
      let request = LoadRequest(key: FileKey(hash: hash), channel: channel)
      var observer = LoadObserver(
        progress: { loaded, total, _ in self.told.append("\(loaded) of \(total)") },
        end: { result in
          switch result {
          case .success: self.told.append("loaded")
          case .failure(let error): self.told.append(error.code.rawValue)
          }
        })
      if reportsWaits { observer.waits = { self.told.append("waits \($0.others.map { "\($0)" } ?? "-")") } }
      loads.append(requests.load(request, observer))
    }

    func find(_ hash: ContentHash) {
      finds.append(
        requests.find(
          FileQuery(key: FileKey(hash: hash)), for: .seconds(1), found: { self.told.append("found \($0.size)") },
          end: { self.told.append("end") }))
    }

    /// Requests a stored and an absent file, and disconnects before the loop does anything else.
    func askAndLeave(_ hash: ContentHash) {
      load(hash)
      load(.of([1]))
      find(hash)
      for _ in 1...2 {
        for load in loads { requests.cancel(load) }
        for find in finds { requests.cancel(find) }
      }
    }

    func perform(_ effect: (LoadID) -> ClientEffect) { for load in loads { requests.perform(effect(load)) } }

    func stopRequests() { requests.stop() }

    /// Waits, ten seconds at most, until the clients have received these events.
    func hears(_ expected: [String], sourceLocation: SourceLocation = #_sourceLocation) async {
      _ = await eventually { told == expected }
      #expect(told == expected, sourceLocation: sourceLocation)
    }

    func stop() async {
      driver.stop()
      await loop.shutdown()
      folder.remove()
    }
  }

  @Test func whatIsHereIsLoadedWithoutOthers() async throws {
    let clients = try Clients()
    let hash = try await clients.storeFile([1, 2, 3])
    await clients.load(hash)
    #expect(await clients.told.isEmpty, "not before the call returns")
    await clients.hears(["loaded"])
    #expect(clients.metrics.loadsFinished.current == 0, "it was here")
    await clients.stop()
  }

  @Test func aFileThatNoNodeHasFails() async throws {
    let clients = try Clients()
    await clients.begin()
    await clients.load(.of([1]))
    await clients.hears([KacheryError.Code.noChannel.rawValue])
    #expect(clients.metrics.loadsFailed.current == 1)
    await clients.load(.of([1]), channel: "elsewhere")
    await clients.hears([KacheryError.Code.noChannel.rawValue, KacheryError.Code.notFound.rawValue])
    await clients.stop()
  }

  @Test func aDisconnectedClientGetsNoEvents() async throws {
    let clients = try Clients()
    await clients.begin()
    let hash = try await clients.storeFile([1, 2, 3])
    await clients.askAndLeave(hash)
    await clients.perform { .loaded($0) }
    await clients.perform { .progress($0, loaded: 1, total: 2, node: nil) }
    // Work that the pool has started ends before this.
    _ = try await clients.loop.onPool {}
    #expect(await clients.told.isEmpty)
    await clients.stop()
  }

  /// Of a quick series of messages only the first is sent, and later the last.
  @Test func progressIsReportedFromTimeToTime() async throws {
    let clients = try Clients()
    await clients.load(.of([1]))
    for loaded in 0...1_000 as ClosedRange<UInt64> {
      await clients.perform { .progress($0, loaded: loaded, total: 1_000, node: nil) }
    }
    let told = await clients.told
    #expect(told.first == "0 of 1000" && told.last == "1000 of 1000" && told.count < 500, "\(told)")
    await clients.perform { .progress($0, loaded: 1_000, total: 1_000, node: nil) }
    #expect(await clients.told.count == told.count, "the end is reported once")
    await clients.stop()
  }

  @Test func waitingIsReportedOnlyToClientsThatRequestIt() async throws {
    let clients = try Clients()
    await clients.load(.of([1]))
    await clients.load(.of([1]), reportsWaits: false)
    for _ in 0..<50 { await clients.perform { .waits($0, node: .filled(with: 1), others: 3) } }
    #expect(await clients.told.first == "waits 3")
    #expect(await clients.told.count < 25)
    await clients.stop()
  }

  @Test func aStoppingNodeEndsEveryRequest() async throws {
    let clients = try Clients()
    await clients.load(.of([1]))
    await clients.find(.of([1]))
    await clients.stopRequests()
    await clients.stopRequests()
    await clients.perform { .loaded($0) }
    #expect(await clients.told == [KacheryError.Code.cancelled.rawValue, "end"])
    await clients.stop()
  }

  @Test func aSearchNamesThisNodeFirst() async throws {
    let clients = try Clients()
    await clients.begin()
    let hash = try await clients.storeFile([1, 2, 3])
    await clients.find(hash)
    await clients.hears(["found 3", "end"])
    await clients.stop()
  }
}
