/// Options of the published commands, so that older scripts go on working.
extension Command {
  /// Has an effect: whoever passes it wants no traffic.
  static let localOnly = Option("--exp-nop2p", nil, "ask no other node: only what is here already")

  private static let service = "it was for a service that is no more; join a channel with the other nodes"
  private static let ephemeral: [Option] = [
    .ignored("--enable-ephemeral", nil, service), .ignored("-e", nil, service),
  ]

  /// Of the package 'kachery', before there were nodes.
  private static let server = "it was for a server that is no more; join a channel with the other nodes"
  private static let published2019: [Option] = [
    .ignored("--url", "URL", server), .ignored("--password", "PASSWORD", server), .ignored("-p", "PASSWORD", server),
    .ignored("-c", "NAME", server),
  ]

  static let publishedLoading: [Option] =
    ephemeral + published2019 + [
      .ignored("--download", nil, "what is not here comes from other nodes in any case"),
      .ignored("-d", nil, "what is not here comes from other nodes in any case"),
      .ignored("--download-only", nil, "what is here is not loaded again"),
      .ignored("-do", nil, "what is here is not loaded again"),
      .ignored("--direct-channel", "NAME", service),
      .ignored("--exp-file-server-url", "URL", "files come from other nodes"),
    ]

  static let publishedStoring: [Option] =
    ephemeral + published2019 + [
      .ignored("--channel", "NAME", server), .ignored("--upload", nil, server), .ignored("-u", nil, server),
      .ignored("--upload-only", nil, server), .ignored("-uo", nil, server),
      .ignored("--algorithm", "NAME", "files are named by their SHA-1"),
      .ignored("-a", "NAME", "files are named by their SHA-1"),
      .ignored("--git-annex-mode", nil, "links are followed"),
      .ignored("--upload-to-channel", "NAME", "the members of this node's channels can load the file as it is"),
      .ignored("--single-chunk", nil, "all chunks have one size"),
    ]

  static let publishedInfo = ephemeral
}
