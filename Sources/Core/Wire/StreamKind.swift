/// The purpose of a stream: the first byte that its opener sends.
package enum StreamKind: UInt8, Sendable, CaseIterable {
  /// Hello, membership, presence and questions, in both directions. The dialer opens exactly one, first.
  case control = 1
  /// Requests for ranges of files from the opener, answered in order with the bytes themselves.
  case fetch = 2
  /// Requests for many small files from the opener, answered in order with the files themselves.
  case batch = 3
  /// Feed requests from the opener, and the other side's answers, live.
  case feed = 4
  /// An additional link to a node, for bulk data only: names the link that it belongs to (`LaneRequest`). Its dialer
  /// opens this stream first, in place of the control stream.
  case lane = 5
  /// A link to a third node through the receiver: `RelayRequest` from the opener, `RelayAnswer` from the receiver, and
  /// then the bytes of the link. For a lane of such a link, the receiver answers with `RelayToken` alone.
  case relay = 6
  /// A link that another node opens through the opener: `RelayedRequest` from the opener, `RelayAnswer` from the
  /// receiver, and then the bytes of the link.
  case relayed = 7
}
