/// The links know their transports through protocols alone: what is made for one transport is named only in the files that
/// build it.
enum SeamRule {
  private static let folder = "Sources/Services/Links/"

  /// The types of one transport, and the files that may name each.
  static let places: [String: Set<String>] = [
    "TCPConnection": [
      "TCPTransport.swift", "TCPListeners.swift", "TCPPath.swift", "TCPPunch.swift", "KeptDials.swift",
      "WebSocketTransport.swift", "ProxyDialer.swift", "TCPJoin.swift", "TCPLaneHalf.swift",
    ],
    "TCPJoin": ["TCPJoin.swift", "TCPTransport.swift"],
    "TCPLaneHalf": ["TCPLaneHalf.swift", "TCPTransport.swift"],
    "ProxyDialer": ["TCPTransport.swift", "WebSocketTransport.swift", "QUICTransport.swift", "ProxyDialer.swift"],
    "TCPListener": ["TCPListeners.swift"],
    "TCPListeners": ["TCPListeners.swift", "TCPTransport.swift", "WebSocketTransport.swift"],
    "WebSocketTransport": ["TCPTransport.swift", "WebSocketTransport.swift"],
    "WebSocketSession": ["WebSocketPipe.swift", "WebSocketOpening.swift"],
    "UnverifiedTLSSession": ["UnverifiedTLSPipe.swift"],
    "ConnectAttempt": ["TCPTransport.swift"],
    "SingleDial": ["KeptDials.swift", "TCPPunch.swift"],
    "KeptDials": ["KeptDials.swift", "TCPPunch.swift", "TCPTransport.swift"],
    "TCPPunch": ["TCPPunch.swift", "TCPTransport.swift"],
    "TCPPath": ["TCPPath.swift", "TCPPunch.swift", "TCPTransport.swift"],
    "TCPTransport": ["TCPTransport.swift"],
    "TLSSession": ["TLSChannel.swift"],
    "TLSIdentity": ["TLSChannel.swift", "PipeHandshake.swift", "TCPTransport.swift", "WebSocketTransport.swift"],
    "TLSChannel": ["TLSChannel.swift", "PipeHandshake.swift", "MuxCarrier.swift"],
    "QUICTransport": ["QUICTransport.swift", "TCPTransport.swift"],
    "QUICIdentity": ["QUICTransport.swift", "QUICEndpoint.swift", "TCPTransport.swift"],
    "QUICEndpoint": ["QUICEndpoint.swift", "QUICTransport.swift", "QUICPath.swift"],
    "QUICPath": ["QUICPath.swift", "QUICEndpoint.swift", "QUICTransport.swift", "QUICCarrier.swift"],
    "QUICConnection": ["QUICPath.swift", "QUICEndpoint.swift", "QUICCarrier.swift"],
    "QUICCarrier": ["QUICCarrier.swift", "QUICTransport.swift", "QUICStream.swift"],
    "QUICStream": ["QUICStream.swift", "QUICCarrier.swift"],
    "MuxSession": ["MuxCarrier.swift"],
    "MuxStream": ["MuxStream.swift", "MuxCarrier.swift"],
    "MuxCarrier": ["MuxCarrier.swift", "MuxStream.swift", "PipeHandshake.swift"],
  ]

  static func violations(in file: SourceFile) -> [Violation] {
    guard file.path.hasPrefix(folder) else { return [] }
    return file.code.indices.flatMap { index in
      file.code[index].capitalizedWords.compactMap { name in
        guard let files = places[name], !files.contains(file.name) else { return nil }
        return file.violation(at: index, "only \(files.sorted().joined(separator: ", ")) may name \(name).")
      }
    }
  }
}
