import Crypto
import Discovery
import Primitives
import TestSupport
import Testing
import Wire

@Suite struct ChannelTests {
  private let (a, b, c): (NodeID, NodeID, NodeID)

  init() throws {
    (a, b, c) = (
      try SigningKey.generate().publicKey, try SigningKey.generate().publicKey, try SigningKey.generate().publicKey
    )
  }

  @Test func aProofHoldsForItsChannelItsLinkAndItsProverOnly() {
    let secret = ChannelSecret(name: "lab")
    let proof = secret.proof(by: a, binding: [1, 2, 3])
    #expect(proof == secret.proof(by: a, binding: [1, 2, 3]))
    #expect(proof != secret.proof(by: b, binding: [1, 2, 3]))
    #expect(proof != secret.proof(by: a, binding: [1, 2, 4]))
    #expect(proof != ChannelSecret(name: "lab2").proof(by: a, binding: [1, 2, 3]))
    #expect(ChannelSecret(name: "lab").topic == secret.topic)
    #expect(ChannelSecret(name: "lab2").topic != secret.topic)
  }

  /// A channel is identified by the bytes of its name, not by its appearance.
  @Test func aNameSpeltInTwoWaysIsTwoChannels() throws {
    for vector in try Vectors.json("names.json").list("channels") {
      let secret = ChannelSecret(name: try vector.text("name"), cost: ChannelSecret.cost)
      #expect(secret.topic.hex == vector["topic"]?.string)
      #expect(Hex.encode(secret.bytes.suffix(32)) == vector["key"]?.string)
    }
    #expect(ChannelSecret(name: "M\u{fc}ller").topic != ChannelSecret(name: "Mu\u{308}ller").topic)
    let one = Channel(address: "M\u{fc}ller", membership: .byName)
    #expect(one != Channel(address: "Mu\u{308}ller", membership: .byName))
  }

  @Test func aSecretIsReadBackFromItsBytes() {
    let secret = ChannelSecret(name: "lab")
    #expect(ChannelSecret(bytes: secret.bytes) == secret)
    #expect(ChannelSecret(bytes: Array(secret.bytes.dropLast())) == nil)
    #expect(ChannelSecret(bytes: secret.bytes + [0]) == nil)
  }

  @Test func aGuessTakesAtLeastTenMilliseconds() {
    let time = ContinuousClock().measure { _ = ChannelSecret(name: "lab", cost: ChannelSecret.cost) }
    #expect(time >= .milliseconds(10))
  }

  private func channel(_ members: [ChannelDocument.Member]) -> Channel {
    let document = ChannelDocument(label: "", bootstrapAddresses: [], members: members)
    return Channel(address: "https://example.org/c.yaml", membership: .byDocument(document))
  }

  @Test func aNameAdmitsEveryNode() {
    let channel = Channel(address: "lab", membership: .byName)
    #expect(channel.permits(a, toAsk: b, serverIsPublic: false))
    #expect(channel.lists(a))
  }

  @Test func aDocumentThatWasNeverReadAdmitsNoNode() {
    let channel = Channel(address: "https://example.org/c.yaml", membership: .byDocument(nil))
    #expect(!channel.permits(a, toAsk: b, serverIsPublic: true))
  }

  @Test func aDocumentAdmitsTheNodesItLists() {
    let channel = channel([.init(node: a), .init(node: b)])
    #expect(channel.permits(a, toAsk: b, serverIsPublic: false))
    #expect(channel.permits(b, toAsk: a, serverIsPublic: false))
    #expect(!channel.permits(c, toAsk: a, serverIsPublic: true))
    #expect(!channel.permits(a, toAsk: c, serverIsPublic: true))
  }

  /// Who relays is the owner's choice, and the document's if there is one. Data includes messages.
  @Test func aDocumentSaysWhoMayRelay() {
    let byName = Channel(address: "lab", membership: .byName)
    #expect(byName.granted(.everything, to: a) == .everything && byName.granted(.messages, to: a) == .messages)
    let unread = Channel(address: "https://example.org/c.yaml", membership: .byDocument(nil))
    #expect(unread.granted(.everything, to: a) == nil)
    let listed = channel([.init(node: a, isMessageProxy: true), .init(node: b, isDataProxy: true), .init(node: c)])
    #expect(listed.granted(.everything, to: a) == .messages && listed.granted(.messages, to: a) == .messages)
    #expect(listed.granted(.everything, to: b) == .everything && listed.granted(.messages, to: b) == .messages)
    #expect(listed.granted(.everything, to: c) == nil)
  }

  /// A channel must be public by its document and by the owner's choice, and only the public node answers.
  @Test func aPublicNodeAnswersNodesThatAreNotListed() {
    let channel = channel([.init(node: a, isPublic: true), .init(node: b)])
    #expect(channel.permits(c, toAsk: a, serverIsPublic: true))
    #expect(!channel.permits(c, toAsk: a, serverIsPublic: false))
    #expect(!channel.permits(c, toAsk: b, serverIsPublic: true))
    #expect(!channel.permits(a, toAsk: c, serverIsPublic: true))
  }
}
