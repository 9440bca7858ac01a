import APIModel
import Invitations
import Primitives

extension Command {
  static let noWait = Option("--no-wait", nil, "with an invite, do not wait until other members are reached")

  /// `kachery join`
  static let join = Command(
    name: "join", usage: "INVITE", summary: "Joins a channel by an invite.",
    details: """
      Joins the channel of a line that 'kachery invite' has printed, adds the bootstrap nodes in it for as long as the
      channel is joined, and waits until another member, or at least a bootstrap node, is reached. If the channel has a
      list of members, it prints what the list's keeper has to add, and waits until this node is listed.
      """,
    options: [noWait, quiet], examples: ["kachery join kachery-invite-1-ACiN…"],
    run: { (arguments) throws(KacheryError) in
      let text = arguments.operands.joined(separator: " ")
      guard Invite.isMeant(by: text) else {
        guard !arguments.operands.isEmpty else {
          throw KacheryError(.badRequest, "The invite is missing; 'kachery invite' prints one.")
        }
        throw KacheryError(
          .badRequest,
          "'\(text)' is not an invite. To join a channel by its name or address, type: kachery channel join \(text)")
      }
      return try follow(text, arguments)
    })

  static func follow(_ text: String, _ arguments: Arguments) throws(KacheryError) -> ExitCode {
    var following = try Following(text, arguments)
    return try following.run()
  }
}
