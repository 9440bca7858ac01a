package import Discovery
package import Primitives
import YAML

extension ChannelDocument {
  /// Reads a channel's document from untrusted bytes. Unknown fields are ignored.
  ///
  /// - Throws: `badConfiguration` with what is wrong.
  package init(yaml bytes: [UInt8]) throws(KacheryError) {
    let document = try YAMLParser.parse(bytes)
    guard document.mapping != nil else {
      throw KacheryError(.badConfiguration, "The channel's document is not a list of named fields.")
    }
    let bootstraps = document["bootstrapAddresses"]?.sequence ?? []
    guard bootstraps.count <= Self.maximumBootstraps else {
      throw KacheryError(
        .tooLarge,
        "The channel's document names \(bootstraps.count) bootstrapAddresses; keep at most \(Self.maximumBootstraps).")
    }
    var addresses: [Endpoint] = []
    for entry in bootstraps {
      guard let host = entry["hostName"]?.text, let port = entry["port"]?.text.flatMap({ UInt16($0) }),
        let endpoint = Endpoint(host: host, port: port)
      else { throw KacheryError(.badConfiguration, "An entry of bootstrapAddresses lacks its hostName or port.") }
      addresses.append(endpoint)
    }
    guard let entries = document["authorizedNodes"]?.sequence else {
      throw KacheryError(.badConfiguration, "The channel's document has no list of authorizedNodes.")
    }
    guard entries.count <= Self.maximumMembers else {
      throw KacheryError(
        .tooLarge,
        "The channel's document lists \(entries.count) authorizedNodes; a channel has at most \(Self.maximumMembers).")
    }
    var members: [Member] = []
    for entry in entries {
      guard let text = entry["nodeId"]?.text, let node = NodeID(hex: text) else {
        throw KacheryError(.badConfiguration, "An entry of authorizedNodes has no nodeId of 64 hexadecimal digits.")
      }
      members.append(
        Member(
          node: node, label: ByteString(entry["nodeLabel"]?.text ?? ""), isAdmin: entry["isAdmin"]?.bool ?? false,
          isMessageProxy: entry["isMessageProxy"]?.bool ?? false, isDataProxy: entry["isDataProxy"]?.bool ?? false,
          isPublic: entry["isPublic"]?.bool ?? false))
    }
    self.init(label: ByteString(document["channelLabel"]?.text ?? ""), bootstrapAddresses: addresses, members: members)
  }
}
