import Discovery
import NodeCore
import Primitives
import TestSupport
import Transfer
import Wire

extension SimNode {
  func answer(for hash: ContentHash) -> FindAnswer.Outcome {
    guard let file = store.files[hash] else {
      guard let (plan, chunks) = store.share(hash), let manifest = plan.manifest else {
        return .refuses(absence)
      }
      return .has(FindAnswer.File(size: plan.size, manifest: manifest, chunks: chunks))
    }
    let size = UInt64(file.count)
    switch conduct {
    case .boasts:
      let chunks = ChunkSet(bytes: network.random.bytes(network.random.number(1...3)))
      let manifest = store.manifests[hash] ?? hash
      return .has(FindAnswer.File(size: size, manifest: manifest, chunks: chunks))
    case .shrinks: return .has(FindAnswer.File(size: size / 2, manifest: store.manifests[hash]))
    case .inflates:
      return .has(FindAnswer.File(size: 2 * size + 1, manifest: store.manifests[hash]))
    default: return .has(FindAnswer.File(size: size, manifest: store.manifests[hash]))
    }
  }

  /// Whether this node may ask the other over the channel with this topic.
  func mayAsk(_ server: SimNode, over topic: Topic) -> Bool {
    channels.contains { $0.topic == topic && $0.permits(id, toAsk: server.id, serverIsPublic: true) }
  }

  /// The same for the channel for which this node gives this proof on one of its links.
  func mayAsk(_ server: SimNode, over proof: ChannelProof, on link: LinkID) -> Bool {
    channel(of: proof, on: link).map { mayAsk(server, over: $0.topic) } ?? false
  }

  /// Complains about a question that this node may not ask.
  func check(_ message: ControlMessage, on link: LinkID) {
    guard case .find(let request) = message, let server = peer(of: link),
      !mayAsk(server, over: request.channel, on: link)
    else { return }
    network.complain("\(name) asks \(server.name), which it may not ask, for a file")
  }

  /// The channel for which this node gives this proof on one of its links.
  func channel(of proof: ChannelProof, on link: LinkID) -> Channel? {
    channels.first { core.proof(of: $0.topic, on: link) == proof }
  }

  /// Whether the other may ask this node over the channel with this topic.
  func permits(_ asker: SimNode, over topic: Topic) -> Bool {
    channels.contains { $0.topic == topic && $0.permits(asker.id, toAsk: id, serverIsPublic: $0.isPublic) }
  }

  /// Why a file cannot be loaded, according to this node.
  func diagnose(_ key: FileKey, room: UInt64? = nil) -> Diagnosis {
    core.diagnose(FileQuery(key: key), room: room, at: now)
  }

  func readManifest(_ id: DownloadID, _ hash: ContentHash) {
    guard let bytes = store.files[hash] else { return transfer { $0.manifestRead(id, nil, at: $1) } }
    do throws(KacheryError) {
      let manifest = try Manifest(parsing: bytes, chunkSize: nil)
      transfer { $0.manifestRead(id, manifest, at: $1) }
    } catch {
      transfer { $0.storageFailed(id, error, at: $1) }
    }
  }
}
