import Primitives

/// What some nodes claim about a file. Until all of it is stored and has its hash, each of several claims may be true.
enum Claim: Hashable, Sendable {
  /// The file is cut as this manifest says.
  case manifest(ContentHash)
  /// The file has this many bytes.
  case size(UInt64)
  /// The claim of this node alone; its bytes are not mixed with those of other nodes.
  case alone(NodeID)
  /// The file is a part of a larger one, according to the client.
  case part
}

/// What has turned out to be false.
struct RuledOut: Sendable {
  /// Nodes that sent wrong bytes, or made impossible claims.
  var nodes: [NodeID] = []
  /// Manifests that are not this file's.
  var manifests: Set<ContentHash> = []
  /// Sizes for which the bytes of several nodes together were wrong: only trying each alone shows whose.
  var sizes: Set<UInt64> = []
}

/// Chooses the claim that a source supports, given the existing attempts.
struct ClaimChoice {
  let query: FileQuery
  let isManifest: Bool
  let ruledOut: RuledOut
  /// Oldest first.
  let downloads: [Download]
  /// Files of more bytes are fetched in the chunks of their manifest.
  let threshold: UInt64

  /// The claim that the source supports; nil if it is useless for every attempt.
  func claim(of source: SourceState) -> Claim? {
    guard query.key.chunkOf == nil else { return .part }
    let file = source.source.file
    if let manifest = usableManifest(of: source) {
      // Two attempts at one file of this size would fetch it twice; the running one continues.
      let hasOwn = downloads.contains { $0.claim == .manifest(manifest) }
      let runs = downloads.contains { $0.claim == .size(file.size) && $0.fetching != nil }
      return !hasOwn && runs && file.isWhole ? .size(file.size) : .manifest(manifest)
    }
    guard file.isWhole else { return nil }
    if file.size > threshold, let manifest = manifestOfOthers(for: source) { return .manifest(manifest) }
    return ruledOut.sizes.contains(file.size) ? .alone(source.node) : .size(file.size)
  }

  /// The manifest named by the client, or otherwise by the source, if it may be this file's.
  private func usableManifest(of source: SourceState) -> ContentHash? {
    let file = source.source.file
    guard !isManifest, file.size > threshold || !file.isWhole, let manifest = query.key.manifest ?? file.manifest,
      manifest != query.key.hash, isUsable(manifest, by: source), file.isWhole || file.manifest == manifest
    else { return nil }
    return manifest
  }

  private func isUsable(_ manifest: ContentHash, by source: SourceState) -> Bool {
    !ruledOut.manifests.contains(manifest) && !source.unusable.contains(manifest)
  }

  /// A manifest that other nodes have named for a file of the size that this source claims. A source tries at most one
  /// of them: many may be wrong.
  private func manifestOfOthers(for source: SourceState) -> ContentHash? {
    guard !isManifest, source.unusable.isEmpty else { return nil }
    for download in downloads {
      guard let manifest = download.manifest, isUsable(manifest, by: source),
        download.states.contains(where: { $0.source.file.manifest == manifest })
      else { continue }
      switch download.phase {
      case .postponed, .fetchingManifest(_, isLate: true): continue
      default: break
      }
      let agrees =
        download.plan.map { $0.size == source.source.file.size }
        ?? download.states.contains { $0.source.file.size == source.source.file.size }
      if agrees { return manifest }
    }
    return nil
  }
}

extension FileQuery {
  /// Whether the source can have the wanted file, according to its own claim.
  func isServed(by source: Source, isManifest: Bool) -> Bool {
    if let part = key.chunkOf?.range {
      return source.hash == key.hash ? source.file.size == part.count : source.file.size >= part.end
    }
    return source.hash == key.hash && (!isManifest || source.file.size <= Limits.maximumManifestSize)
  }
}
