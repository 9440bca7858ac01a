import APIModel
import HTTP
import Primitives

/// `/v1/store/…`: maintenance of a storage directory.
extension LocalAPIServer {
  /// Most files that one request may name.
  private static let maximumHashes = 100_000
  /// Files that a search returns unless the client asks for more or fewer.
  private static let foundAtOnce: UInt64 = 100

  func answerStore(_ route: Route, _ exchange: HTTPExchange) async throws(KacheryError) {
    let fields = try await fields(of: exchange, route)
    switch route {
    case .storeList:
      respond(exchange, try await node.listStore(after: try fields.optionalFixed("after")))
    case .storeSearch:
      let found = try await node.searchStore(
        try fields.optionalString("text") ?? "", skipping: try fields.optionalUnsigned("skip") ?? 0,
        atMost: try fields.optionalUnsigned("limit") ?? Self.foundAtOnce)
      respond(exchange, found)
    case .storeUsage: respond(exchange, try await node.storeUsage())
    case .storeVerify: try await verify(try fields.optionalHashes(atMost: Self.maximumHashes), exchange)
    case .storeRemove: respond(exchange, try await node.removeFromStore(try Self.hashes(fields)))
    case .storeRelease:
      try await stream(await node.releaseFromStore(try ReleaseRequest(fields)), to: exchange) {
        MessageStream.frame($0.json)
      }
    case .storeRemovePreview: respond(exchange, try await node.previewRemoval(try Self.hashes(fields)))
    case .storePin: respond(exchange, try await node.setPinned(true, try Self.hashes(fields), sparingFolders: false))
    case .storeUnpin:
      let answer = try await node.setPinned(
        false, try Self.hashes(fields), sparingFolders: try fields.optionalBool("spareFolders") ?? false)
      respond(exchange, answer)
    case .storeCollect, .storeCollectPreview:
      let report = try await node.collectStore(
        emptyingTrash: try fields.optionalBool("emptyTrash") ?? false,
        removingDamaged: try fields.optionalBool("removeDamaged") ?? false, isPreview: route == .storeCollectPreview)
      respond(exchange, report)
    default: throw KacheryError(.notFound, "There is no \(route.rawValue) below /v1/store.")
    }
  }

  private func verify(_ only: [ContentHash]?, _ exchange: HTTPExchange) async throws(KacheryError) {
    try await stream(await node.verifyStore(only: only.map { Set($0) }), to: exchange) { MessageStream.frame($0) }
  }

  private static func hashes(_ fields: JSONFields) throws(KacheryError) -> [ContentHash] {
    try fields.hashes(atMost: maximumHashes)
  }
}
