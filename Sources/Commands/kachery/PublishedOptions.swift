/// Options of the published commands, so that older scripts go on working.
extension Command {
  /// Has an effect: whoever passes it wants no traffic.
  static let localOnly = Option("--exp-nop2p", nil, "ask no other node: only what is here already")

  private static let service = "it was for a service that is no more; join a channel with the other nodes"
  private static let ephemeral: [Option] = [
    .ignored("--enable-ephemeral", nil, service), .ignored("-e", nil, service),
  ]

  static let publishedLoading: [Option] =
    ephemeral + [
      .ignored("--direct-channel", "NAME", service),
      .ignored("--exp-file-server-url", "URL", "files come from other nodes"),
    ]

  static let publishedStoring: [Option] =
    ephemeral + [
      .ignored("--upload-to-channel", "NAME", "the members of this node's channels can load the file as it is"),
      .ignored("--single-chunk", nil, "all chunks have one size"),
    ]

  static let publishedInfo = ephemeral
}
