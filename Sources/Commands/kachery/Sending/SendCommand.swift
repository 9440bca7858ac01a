import APIModel
import Crypto
import Files
import Invitations
import Primitives
import Process

extension Command {
  /// `kachery send`
  static let send = Command(
    name: "send", usage: "FILE… | FOLDER… | --text TEXT",
    summary: "Sends files to another person, who types the code that it prints.",
    details: """
      It needs no running daemon and no channel: a node of its own shares the files in place, without copying them, until
      the receiver has them. The receiver types 'kachery receive' and the code. The two meet in their local network, or at
      a bootstrap node: one that --bootstrap names, or one that the running daemon uses. Interrupted, it is repeated with
      --code; the receiver continues.
      """,
    options: [
      Option("--text", "TEXT", "send this text, or with - what is on standard input"),
      Option("--bootstrap", "HOST:PORT", "meet at this bootstrap node; repeatable"),
      Option("--code", "CODE", "use the code of an earlier send that was interrupted"),
      Option("--receivers", "N", "end after this many receivers have everything (1)"),
      Option("--keep", nil, "keep sending until interrupted"), json, quiet,
    ],
    examples: ["kachery send recording.dat notes/", "kachery send --text 'the password is swordfish'"],
    run: { (arguments) throws(KacheryError) in
      Interruption.expect(advice: nil)
      let receivers = try arguments.count("--receivers") ?? 1
      guard receivers > 0 else { throw KacheryError(.badRequest, "--receivers: there must be at least one.") }
      let text = try textToSend(arguments)
      guard (text == nil) != arguments.operands.isEmpty else {
        throw KacheryError(
          .badRequest, text == nil ? "The file to send is missing." : "Send either files or a text, not both.")
      }
      let files = try FilesToSend(arguments.operands)
      let code = try transferCode(arguments)
      let folder = try temporaryFolder()
      // The node has done so itself, unless it did not start or had to be killed.
      defer { try? FileSystem.removeTree(folder) }
      let node = try ShortLivedNode(in: folder, isTemporary: true)
      defer { node.end() }
      var sending = try Sending(
        node, code, isQuiet: arguments.has("--quiet"), receivers: arguments.has("--keep") ? nil : receivers)
      if let text { try sending.begin(try sending.store(text)) } else { try sending.begin(try sending.store(files)) }
      Console.result(
        arguments.has("--json")
          ? (["code": .string(code.description)] as JSONValue).compact : code.description)
      sending.explain(repeating: arguments)
      try sending.run()
      return .done
    })

  /// The code of an earlier send, or a new one.
  private static func transferCode(_ arguments: Arguments) throws(KacheryError) -> TransferCode {
    if let text = arguments.value("--code") { return try TransferCode(text) }
    var random = SecureRandom()
    return TransferCode(meetingPoints: try meetingPoints(arguments), random: &random)
  }

  private static func textToSend(_ arguments: Arguments) throws(KacheryError) -> [UInt8]? {
    guard let text = arguments.value("--text") else { return nil }
    guard text == "-" else { return Array(text.utf8) }
    var bytes: [UInt8] = []
    while UInt64(bytes.count) <= TransferOffer.maximumText {
      let more = try FileStream.standardInput.read(atMost: 65_536)
      guard !more.isEmpty else { break }
      bytes += more
    }
    guard UInt64(bytes.count) <= TransferOffer.maximumText else {
      throw KacheryError(
        .tooLarge, "A text has at most \(TransferOffer.maximumText) bytes; write it to a file and send that.")
    }
    return bytes
  }

  /// Where the two meet: the nodes that the option names, or else those of the running daemon, linked ones first.
  private static func meetingPoints(_ arguments: Arguments) throws(KacheryError) -> [Address] {
    let given = try arguments.bootstraps()
    guard given.isEmpty else { return given }
    // Without a daemon, or one that this user may use, the local network remains.
    guard let client = (try? DaemonClient.connect()) ?? nil, !client.isRemote,
      let state = try? client.meeting()
    else { return [] }
    // One is enough to meet, and makes the code short.
    return Array(state.meetingPoints(own: 1).prefix(1))
  }

  private static func temporaryFolder() throws(KacheryError) -> String {
    let parent = Environment["TMPDIR"] ?? "/tmp"
    let folder = "\(parent)/kachery-send-\(Hex.encode(SecureRandom.bytes(8)))"
    do throws(KacheryError) { try FileSystem.createFolder(folder, permissions: 0o700) } catch {
      throw KacheryError(.storageFailed, "There is no place for temporary files: \(error.message)", cause: error)
    }
    return folder
  }
}
