import APIModel
import Primitives

extension Command {
  /// `kachery doctor`
  static let doctor = Command(
    name: "doctor", usage: "", summary: "Checks this node, its network and its disk, and says what to do.",
    details: """
      Asks the daemon how others see this node, dials every bootstrap node over each transport, and looks at the proxy,
      the channels, the gateway, the clock and the disk; that takes at most about 5 seconds. Without a daemon it checks
      what it can. The exit code is 1 if something prevents sharing, and 0 if all is well or there is only advice.
      """,
    options: [
      json,
      Option(
        "--bootstrap", "HOST:PORT",
        "without a daemon: a bootstrap node to dial, besides those of the channels' documents; repeatable"),
    ],
    examples: ["kachery doctor"],
    run: { (arguments) throws(KacheryError) in
      if let extra = arguments.operands.first { throw KacheryError(.badRequest, "Unexpected argument '\(extra)'.") }
      var given: [Endpoint] = []
      for text in arguments.allValues("--bootstrap") {
        guard let endpoint = Endpoint(text) else {
          throw KacheryError(.badRequest, "--bootstrap: '\(text)' is not an address with a port, such as host:14507.")
        }
        given.append(endpoint)
      }
      let checkup = try checkUp(given)
      if arguments.has("--json") {
        Console.result(checkup.json.compact)
      } else {
        Console.results(CheckupText(checkup: checkup).lines(width: Console.pageWidth))
      }
      return checkup.findings.contains { $0.severity == .problem } ? .failed : .done
    })

  /// What the check finds, as lines.
  static func checkupLines(width: Int) throws(KacheryError) -> [String] {
    CheckupText(checkup: try checkUp([])).lines(width: width)
  }

  static func checkUp(_ given: [Endpoint]) throws(KacheryError) -> Checkup {
    guard let client = try DaemonClient.connect() else { return try CheckupWithoutDaemon(bootstraps: given).result }
    do throws(KacheryError) { return try Checkup(json: try client.post("/v1/doctor", [:])) } catch {
      guard error.code == .notFound else { throw error }
      throw KacheryError(
        .internalError, "The daemon at \(client.address) is of an earlier version, which has no such check; restart it."
      )
    }
  }
}
