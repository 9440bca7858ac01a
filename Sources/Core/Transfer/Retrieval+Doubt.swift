import Primitives

/// Attribution: which node misbehaved when something turned out wrong.
extension Retrieval {
  /// A node sent bytes that do not have their piece's hash.
  ///
  /// If the hash is from a manifest that the node itself or the client named, or is the file's own, the node
  /// misbehaves. If another node named the manifest, either of the two is wrong, and only the whole file will show
  /// which. If another node sent the beginning of the piece, the whole piece is fetched again from one node.
  mutating func mismatched(
    _ id: DownloadID, _ fetch: Fetching.Fetch, _ out: inout TransferOutbox, at now: Instant
  ) {
    let node = fetch.node
    guard let source = sources[node], source.download == id else { return }
    let beginning =
      fetch.isSpare ? nil : downloads[id]?.change { $0.beginnings.removeValue(forKey: fetch.piece) } ?? nil
    out.emit(.download(.abandon(id, node)))
    giveBack(piecesOf: node, to: id, isKept: false, &out)
    if let providers = beginning?.providers, providers != [node] {
      return schedule(id, preferring: node, &out, at: now)
    }
    let piece = downloads[id]?.plan?.pieces[fetch.piece].hash ?? hash
    let manifest = downloads[id]?.manifest
    if let manifest, manifest != query.key.manifest, source.source.file.manifest != manifest {
      sources[node]?.contradiction = (manifest, piece)
      sources[node]?.unusable.insert(manifest)
      assign(node, &out, at: now)
    } else {
      penalize(node, for: piece, &out, at: now)
      searchIfSourceless(&out)
    }
    schedule(id, &out, at: now)
  }

  /// The manifest is not this file's. Nodes that named it misbehave; the others are asked without it.
  ///
  /// If the client named it, the client is wrong, and the retrieval ends.
  mutating func rejectManifest(_ id: DownloadID, _ out: inout TransferOutbox, at now: Instant) {
    guard let manifest = downloads[id]?.manifest else { return }
    guard manifest != query.key.manifest else {
      return out.requests.append(.end(hash, .failed(.falseManifest(manifest))))
    }
    ruledOut.manifests.insert(manifest)
    let members = sources(of: id)
    remove(id, &out)
    for source in members {
      if !source.source.file.isWhole {
        // It may have been misled itself. With a wrong manifest it has nothing useful.
        out.bans.note(source.node, hash, at: now)
        sources[source.node] = nil
      } else if source.source.file.manifest == manifest {
        penalize(source.node, for: manifest, &out, at: now)
      } else {
        assign(source.node, &out, at: now)
      }
    }
  }

  /// The pieces had no hashes of their own, and together they are not the file. If one node sent them all, it
  /// misbehaves; if several did, each is tried alone.
  mutating func penalizeProviders(
    _ id: DownloadID, _ plan: DownloadPlan, _ providers: Set<NodeID>, _ out: inout TransferOutbox, at now: Instant
  ) {
    let members = sources(of: id).map(\.node)
    remove(id, &out)
    if providers.count == 1, let only = providers.first {
      penalize(only, for: hash, &out, at: now)
    } else {
      ruledOut.sizes.insert(plan.size)
    }
    for node in members { assign(node, &out, at: now) }
  }

  /// The whole file has arrived, so nodes that claimed another size, and those whose bytes contradicted its manifest,
  /// were wrong.
  mutating func penalizeContradictors(of plan: DownloadPlan, _ out: inout TransferOutbox, at now: Instant) {
    for node in sources.keys.sorted() {
      guard let source = sources[node] else { continue }
      if let contradiction = source.contradiction, contradiction.manifest == plan.manifest {
        penalize(node, for: contradiction.piece, &out, at: now)
      } else if source.source.hash == hash, source.source.file.size != plan.size {
        penalize(node, for: hash, &out, at: now)
      }
    }
  }
}
