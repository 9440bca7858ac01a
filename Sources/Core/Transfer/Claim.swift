import Primitives

/// What some nodes say of a file. Until all of it is here and has its hash, each of several claims may be the true one.
enum Claim: Hashable, Sendable {
  /// The file is cut as this manifest says.
  case manifest(ContentHash)
  /// The file has this many bytes.
  case size(UInt64)
  /// What this one node says; its bytes are not mixed with those of others.
  case alone(NodeID)
  /// The file is a part of a larger one, as the client says.
  case part
}

/// What has turned out not to be so.
struct RuledOut: Sendable {
  /// Nodes that gave wrong bytes, or said what cannot be.
  var nodes: [NodeID] = []
  /// Manifests that are not this file's.
  var manifests: Set<ContentHash> = []
  /// Sizes for which bytes of several nodes together were wrong: whose, only each of them alone can show.
  var sizes: Set<UInt64> = []
}

/// Which claim a source supports, beside the attempts that there are.
struct ClaimChoice {
  let query: FileQuery
  let isManifest: Bool
  let ruledOut: RuledOut
  /// The oldest first.
  let downloads: [Download]
  /// Files of more bytes are fetched in the chunks of their manifest.
  let threshold: UInt64

  /// The claim that the source supports; nil if it is of no use to any attempt.
  func claim(of source: SourceState) -> Claim? {
    guard query.key.chunkOf == nil else { return .part }
    let file = source.source.file
    if let manifest = usableManifest(of: source) {
      // Two attempts at one file of this size would fetch it twice; what is under way goes on.
      let hasOwn = downloads.contains { $0.claim == .manifest(manifest) }
      let runs = downloads.contains { $0.claim == .size(file.size) && $0.fetching != nil }
      return !hasOwn && runs && file.isWhole ? .size(file.size) : .manifest(manifest)
    }
    guard file.isWhole else { return nil }
    if file.size > threshold, let manifest = manifestOfOthers(for: source) { return .manifest(manifest) }
    return ruledOut.sizes.contains(file.size) ? .alone(source.node) : .size(file.size)
  }

  /// The manifest that the client or else the source names, if it may be this file's.
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

  /// A manifest that other nodes have named, for a file of the size that this source says. A source tries one of them at
  /// most: many may be wrong.
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
  /// Whether the source can have what is wanted, by its own words.
  func isServed(by source: Source, isManifest: Bool) -> Bool {
    if let part = key.chunkOf?.range {
      return source.hash == key.hash ? source.file.size == part.count : source.file.size >= part.end
    }
    return source.hash == key.hash && (!isManifest || source.file.size <= Limits.maximumManifestSize)
  }
}
