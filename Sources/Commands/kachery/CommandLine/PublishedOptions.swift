/// Options of the published commands, so that older scripts keep working.
extension Command {
  /// Has an effect: a script that passes it wants no traffic.
  static let localOnly = Option("--exp-nop2p", nil, "use only files on this node; ask no other node")

  private static let service = "its service no longer exists; join a channel with the other nodes"
  private static let ephemeral: [Option] = [
    .ignored("--enable-ephemeral", nil, service), .ignored("-e", nil, service),
  ]

  /// Of the package 'kachery', before there were nodes.
  private static let server = "its server no longer exists; join a channel with the other nodes"
  private static let published2019: [Option] = [
    .ignored("--url", "URL", server), .ignored("--password", "PASSWORD", server), .ignored("-p", "PASSWORD", server),
    .ignored("-c", "NAME", server),
  ]

  static let publishedLoading: [Option] =
    ephemeral + published2019 + [
      .ignored("--download", nil, "missing files are always loaded from other nodes"),
      .ignored("-d", nil, "missing files are always loaded from other nodes"),
      .ignored("--download-only", nil, "files on this node are never loaded again"),
      .ignored("-do", nil, "files on this node are never loaded again"),
      .ignored("--direct-channel", "NAME", service),
      .ignored("--exp-file-server-url", "URL", "files are loaded from other nodes"),
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
