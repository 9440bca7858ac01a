import ContentStore
import Crypto
import EventLoop
import Files
import LocalAPI
import Primitives
import Synchronization
import TestSupport
import Testing

@testable import Daemon

/// `StoredBytes` and `RangeOfChunks`: the bytes of a file that a client reads block by block.
@Suite(.timeLimit(.minutes(1))) struct FileBytesTests {
  /// Records the requested chunks and provides the result of each load.
  private final class Loads: Sendable {
    let asked = Mutex<[FileKey]>([])
    let ended = Mutex<[ContentHash]>([])
  }

  private let folder: TemporaryFolder
  private let loop: EventLoop
  private let content = PatternBytes.make(3_500_000)
  private let manifest: Manifest

  init() throws {
    folder = try TemporaryFolder()
    loop = try EventLoop(name: "reading")
    let content = content
    let hashes = stride(from: 0, to: content.count, by: 1_000_000).map {
      ContentHash.of(Array(content[$0..<min($0 + 1_000_000, content.count)]))
    }
    manifest = Manifest(
      size: UInt64(content.count), hash: .of(content), chunkSize: 1_000_000, chunkHashes: hashes)
  }

  private func readAll(_ bytes: some FileBytes) async throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let block = try await bytes.block(at: UInt64(all.count))
      guard !block.isEmpty else { return all }
      all += block
    }
  }

  // MARK: StoredBytes

  @Test(arguments: [
    (0, 3_500_000), (0, 1), (3_499_999, 3_500_000), (17, 2_000_003), (262_144, 524_288), (5, 5), (3_500_000, 3_500_000),
  ])
  func aStoredRangeIsReadInBlocks(start: Int, end: Int) async throws {
    let store = try ContentStore(directory: folder.path("store"), log: .disabled)
    let hash = try store.store(path: try folder.write("file", content)).hash
    let file = try #require(try store.open(hash))
    let bytes = try StoredBytes(file, loop: loop, start: UInt64(start), end: UInt64(end))
    #expect(bytes.count == UInt64(end - start))
    let isRight = try await readAll(bytes) == Array(content[start..<end])
    #expect(isRight)
    let first = try await bytes.block(at: 0)
    #expect(first.count == min(end - start, Limits.blockSize))
    await loop.shutdown()
  }

  @Test(arguments: [(5, 4), (0, 3_500_001), (3_500_001, 3_500_001), (.max - 1, .max), (1, .max)] as [(UInt64, UInt64)])
  func aRangeOutsideTheFileIsRefused(start: UInt64, end: UInt64) async throws {
    let store = try ContentStore(directory: folder.path("store"), log: .disabled)
    let hash = try store.store(path: try folder.write("file", content)).hash
    let file = try #require(try store.open(hash))
    #expect {
      _ = try StoredBytes(file, loop: loop, start: start, end: end)
    } throws: {
      ($0 as? KacheryError)?.code == .badRequest
    }
    await loop.shutdown()
  }

  // MARK: CheckedBytes

  @Test func aWholeFileWithAnotherHashLacksItsLastBlock() async throws {
    let store = try ContentStore(directory: folder.path("store"), log: .disabled)
    let hash = try store.store(path: try folder.write("file", content)).hash
    let size = UInt64(content.count)
    let loads = Loads()
    func checked(as hash: ContentHash) throws -> CheckedBytes {
      let file = try #require(try store.open(manifest.hash))
      return CheckedBytes(try StoredBytes(file, loop: loop, start: 0, end: size), of: hash) {
        loads.ended.withLock { $0.append(hash) }
      }
    }
    let isRight = try await readAll(try checked(as: hash)) == content
    #expect(isRight && loads.ended.withLock { $0.isEmpty })

    let wrong = try checked(as: ContentHash.of([]))
    var offset: UInt64 = 0
    let error = await #expect(throws: KacheryError.self) {
      while offset < size { offset += UInt64(try await wrong.block(at: offset).count) }
    }
    #expect(error?.code == .hashMismatch && size - offset <= UInt64(Limits.blockSize))
    #expect(loads.ended.withLock { $0.count } == 1)
    let skipping = try checked(as: hash)
    await #expect(throws: KacheryError.self) { try await skipping.block(at: 5) }
    await loop.shutdown()
  }

  // MARK: RangeOfChunks

  private func range(_ start: UInt64, _ end: UInt64, _ load: @escaping RangeOfChunks.Load) throws -> RangeOfChunks {
    RangeOfChunks(try #require(ByteRange(start: start, end: end)), of: manifest, loop: loop, load: load)
  }

  /// Loads chunks from the content.
  private func loading(_ loads: Loads) -> RangeOfChunks.Load {
    { [content, folder] key throws(KacheryError) in
      loads.asked.withLock { $0.append(key) }
      guard let range = key.chunkOf?.range else { throw KacheryError(.badRequest, "no chunk") }
      return try folder.write(key.hash.hex, Array(content[Int(range.start)..<Int(range.end)]))
    }
  }

  @Test(arguments: [
    (0, 3_500_000, 0...3), (500_000, 2_700_000, 0...2), (999_999, 1_000_001, 0...1), (1_000_000, 2_000_000, 1...1),
    (3_499_999, 3_500_000, 3...3),
  ])
  func onlyTheChunksOfTheRangeAreLoaded(start: Int, end: Int, places: ClosedRange<Int>) async throws {
    let loads = Loads()
    let bytes = try range(UInt64(start), UInt64(end), loading(loads))
    #expect(bytes.count == UInt64(end - start))
    let isRight = try await readAll(bytes) == Array(content[start..<end])
    #expect(isRight)
    let asked = loads.asked.withLock { $0 }
    #expect(Set(asked.map(\.hash)) == Set(places.map { manifest.chunks[$0].hash }))
    #expect(asked.count == places.count, "each once")
    #expect(asked.allSatisfy { $0.chunkOf?.parent == manifest.hash })
    await loop.shutdown()
  }

  /// The next chunk is loaded ahead, and no more than that.
  @Test func oneChunkIsLoadedAhead() async throws {
    let loads = Loads()
    let bytes = try range(0, 3_500_000, loading(loads))
    _ = try await bytes.block(at: 0)
    #expect(await eventually { loads.asked.withLock { $0.count } == 2 })
    #expect(Set(loads.asked.withLock { $0.map(\.hash) }) == Set(manifest.chunks[0...1].map(\.hash)))
    await loop.shutdown()
  }

  @Test func aChunkThatCannotBeHadFailsTheRead() async throws {
    let bytes = try range(0, 3_500_000) { _ throws(KacheryError) in throw KacheryError(.notFound, "No node has it.") }
    await #expect {
      _ = try await bytes.block(at: 0)
    } throws: {
      ($0 as? KacheryError)?.code == .notFound
    }
    await loop.shutdown()
  }

  /// A client that disconnects cancels the loads that it waits for.
  @Test func loadsEndWithTheClient() async throws {
    let loads = Loads()
    let place = folder
    let first = manifest.chunks[0].hash
    let content = content
    var bytes: RangeOfChunks? = try range(0, 3_500_000) { key throws(KacheryError) in
      loads.asked.withLock { $0.append(key) }
      // The first chunk arrives; the next never does.
      guard key.hash != first else { return try place.write("first", Array(content.prefix(1_000_000))) }
      while !Task.isCancelled { await Task.yield() }
      loads.ended.withLock { $0.append(key.hash) }
      throw KacheryError(.cancelled, "The client has disconnected.")
    }
    _ = try await bytes?.block(at: 0)
    bytes = nil
    #expect(await eventually { !loads.ended.withLock { $0.isEmpty } })
    #expect(loads.ended.withLock { $0 } == [manifest.chunks[1].hash])
    await loop.shutdown()
  }
}
