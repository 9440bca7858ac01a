import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Transfer
import Wire

/// How a simulated node treats those who fetch from it.
enum SimManner {
  case honest
  /// Gives bytes that are not the file's.
  case lying
  /// Says that it has the file, and gives nothing.
  case silent
}

/// A node of the simulation: the real core, and a store in memory.
final class SimNode {
  let key: SigningKey
  var core: NodeCore
  var manner = SimManner.honest
  /// Stored files by their hashes.
  var files: [ContentHash: [UInt8]] = [:]
  var manifests: [ContentHash: ContentHash] = [:]
  /// What is arriving: plan and verified pieces.
  var incoming: [DownloadID: (plan: DownloadPlan, pieces: [ContentHash: [UInt8]])] = [:]
  /// Fetches under way, so that an abandoned one is not reported.
  var fetching: [FetchID: (download: DownloadID, node: NodeID)] = [:]
  var loaded: Set<LoadID> = []
  var failed: [LoadID: KacheryError] = [:]
  var lied: Set<NodeID> = []
  var found: [NodeID] = []
  var hasFindEnded = false
  /// Every piece that was asked of somebody, for those who count.
  var requests = 0

  var id: NodeID { key.publicKey }

  init(_ number: Int, isBootstrap: Bool, bootstraps: [Endpoint], seed: Int) throws {
    key = try SigningKey(seed: Array(SHA256Digest.of(Array("node \(number) of run \(seed)".utf8))))
    core = NodeCore(
      NodeCoreConfiguration(
        key: key, label: "node \(number)", software: "simulation", isBootstrap: isBootstrap, bootstraps: bootstraps),
      random: SeededRandom(seed: UInt64(seed &* 1_000 &+ number)))
  }

  /// Stores a file, cut into chunks of `chunk` bytes where it is longer; gives back its key.
  func store(_ bytes: [UInt8], chunk: Int?) -> FileKey {
    let hash = ContentHash.of(bytes)
    files[hash] = bytes
    guard let chunk else { return FileKey(hash: hash) }
    let chunks = stride(from: 0, to: bytes.count, by: chunk).compactMap { start -> Manifest.Chunk? in
      let end = min(start + chunk, bytes.count)
      return ByteRange(start: UInt64(start), end: UInt64(end)).map {
        Manifest.Chunk(range: $0, hash: ContentHash.of(Array(bytes[start..<end])))
      }
    }
    let manifest = Manifest(size: UInt64(bytes.count), hash: hash, chunks: chunks).json.compactBytes
    let manifestHash = ContentHash.of(manifest)
    files[manifestHash] = manifest
    manifests[hash] = manifestHash
    return FileKey(hash: hash, manifest: manifestHash)
  }

  /// What the node sends for a range of a file: nil for nothing at all.
  func bytes(of hash: ContentHash, _ range: ByteRange) -> [UInt8]? {
    guard manner != .silent, let file = files[hash], range.end <= UInt64(file.count) else { return nil }
    var bytes = Array(file[Int(range.start)..<Int(range.end)])
    if manner == .lying, !bytes.isEmpty { bytes[bytes.count / 2] ^= 0x55 }
    return bytes
  }
}
