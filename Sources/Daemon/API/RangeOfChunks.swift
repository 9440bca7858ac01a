import EventLoop
import Files
import LocalAPI
import Primitives

/// A range of a file that is not here. Chunks are loaded as the reader reaches them, one ahead.
actor RangeOfChunks: FileBytes {
  typealias Load = @Sendable (FileKey) async throws(KacheryError) -> String

  nonisolated let count: UInt64
  private let range: ByteRange
  private let manifest: Manifest
  private let loop: EventLoop
  private let load: Load
  private var loads: [Int: Task<Result<String, KacheryError>, Never>] = [:]

  init(_ range: ByteRange, of manifest: Manifest, loop: EventLoop, load: @escaping Load) {
    self.range = range
    self.manifest = manifest
    self.loop = loop
    self.load = load
    count = range.count
  }

  /// Cancels loading once the range is released.
  deinit { for task in loads.values { task.cancel() } }

  func block(at offset: UInt64) async throws(KacheryError) -> [UInt8] {
    let position = range.start + offset
    guard position < range.end, let place = manifest.chunk(holding: position) else {
      return []
    }
    begin(place)
    if place + 1 < manifest.chunks.count, manifest.chunks[place + 1].range.start < range.end { begin(place + 1) }
    loads = loads.filter { $0.key >= place }
    guard let load = loads[place] else { return [] }
    // A reader that gives up does not wait for the chunk, nor does it leave it loading.
    let loaded = await withTaskCancellationHandler {
      await load.value
    } onCancel: {
      load.cancel()
    }
    let path = try loaded.get()
    let chunk = manifest.chunks[place].range
    let end = min(position + UInt64(Limits.blockSize), chunk.end, range.end)
    return try await loop.onPool { () throws(KacheryError) in
      let file = try File(path, .read)
      defer { file.close() }
      return try file.bytes(at: position - chunk.start, count: Int(end - position))
    }
  }

  private func begin(_ place: Int) {
    guard loads[place] == nil else { return }
    let chunk = manifest.chunks[place]
    let key = FileKey(
      hash: chunk.hash, chunkOf: ChunkLocation(parent: manifest.hash, parentManifest: nil, range: chunk.range))
    loads[place] = Task { [load] in
      do throws(KacheryError) { return .success(try await load(key)) } catch { return .failure(error) }
    }
  }
}
