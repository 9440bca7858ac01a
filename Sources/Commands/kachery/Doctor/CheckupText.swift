import APIModel
import Primitives

/// A checkup as lines for people: the facts, then what is wrong, then advice.
struct CheckupText {
  let checkup: Checkup

  /// - Parameter width: the columns of the terminal.
  func lines(width: Int) -> [String] {
    let facts = [
      ("Node", node), ("Outside", outside), ("Bootstrap nodes", bootstraps), ("Proxy", [proxy]),
      ("Multicast", multicast), ("Channels", channels), ("Gateway", gateway), ("Clock", clock), ("Disk", disk),
    ]
    var lines: [String] = []
    for (title, entries) in facts where !entries.isEmpty {
      lines.append("\(title):")
      for entry in entries {
        // Two spaces at its start make an entry a detail of the one before.
        let indent = entry.begins(with: "  ") ? "    " : "  "
        lines += Paragraph.lines(entry.printable, width: width, first: indent, rest: indent + "  ")
      }
    }
    return lines + verdict(width)
  }

  private func verdict(_ width: Int) -> [String] {
    let findings = checkup.findings
    guard !findings.isEmpty else { return ["", "All is well."] }
    var lines: [String] = []
    for (title, severity) in [("What is wrong:", Finding.Severity.problem), ("Advice:", .advice)] {
      let matching = findings.filter { $0.severity == severity }
      guard !matching.isEmpty else { continue }
      lines += ["", title]
      for finding in matching {
        lines += Paragraph.lines(finding.summary.printable, width: width, first: "  - ", rest: "    ")
        lines += Paragraph.lines("→ \(finding.remedy)".printable, width: width, first: "    ", rest: "      ")
      }
    }
    if !findings.contains(where: { $0.severity == .problem }) { lines += ["", "Nothing prevents sharing."] }
    return lines
  }

  // MARK: Facts

  private var node: [String] {
    guard let daemon = checkup.daemon else { return ["no daemon runs"] }
    let ports = "port\(daemon.ports.count == 1 ? "" : "s") " + daemon.ports.map { "\($0)" }.joined(separator: " and ")
    let quic = daemon.quicPort.map { ", QUIC on UDP port \($0)" } ?? ""
    let webSockets = daemon.webSocketPort.map { ", WebSockets on port \($0)" } ?? ""
    return [
      "\(daemon.label), kachery \(daemon.version)\(daemon.isBootstrap ? ", a bootstrap node" : "")",
      daemon.node.hex,
      "listens on TCP \(ports)\(quic)\(webSockets); \(daemon.links) node\(daemon.links == 1 ? "" : "s") linked",
    ]
  }

  private var outside: [String] {
    guard let outside = checkup.outside else {
      return checkup.daemon == nil ? [] : ["not known: connections leave through the proxy"]
    }
    let views = outside.views.map { "\($0.endpoint), as \(Self.name(of: $0)) sees it" }
    let dialed =
      if outside.wasDialedFromOutside {
        "Other nodes can dial this one: one has done so from outside."
      } else if outside.wasDialedFromLocalNetwork {
        "Nodes of the local network have dialed this one, but none from outside yet."
      } else {
        "No other node has dialed this one yet."
      }
    return views + [outside.nat.text] + Self.lines(on: outside.datagrams, in: outside)
      + [checkup.mapping?.text].compactMap { $0 } + [dialed]
  }

  private static func name(of view: Checkup.Outside.View) -> String {
    view.label.isEmpty ? "node \(view.observer.short)" : view.label
  }

  /// What is known about UDP, without what is true of TCP as well.
  private static func lines(on datagrams: Checkup.Outside.Datagrams?, in outside: Checkup.Outside) -> [String] {
    guard let datagrams else { return [] }
    guard !datagrams.isBlocked else {
      return ["UDP does not get through: no bootstrap node answers what leaves UDP port \(datagrams.port)."]
    }
    let views = datagrams.views.map { "UDP gets through: \($0.endpoint), as \(name(of: $0)) sees it" }
    guard let nat = outside.udpNAT, nat != outside.nat else { return views }
    return views + ["By UDP: \(nat.text)"]
  }

  private var bootstraps: [String] {
    guard !checkup.bootstraps.isEmpty else { return [checkup.daemon == nil ? "none known" : "none configured"] }
    return checkup.bootstraps.flatMap { bootstrap in
      let name = bootstrap.label.isEmpty ? "" : " (\(bootstrap.label))"
      let state =
        bootstrap.linkedBy.map { "linked, \(Self.words(for: $0))" }
        ?? (checkup.daemon == nil ? "" : bootstrap.isReached ? "reached, not linked yet" : "not reached")
      return ["\(bootstrap.address)\(name)\(state.isEmpty ? "" : ": \(state)")"] + bootstrap.attempts.map(line)
    }
  }

  private func line(_ attempt: Checkup.Attempt) -> String {
    let way = attempt.transport == .webSocket ? "WebSocket" : "TCP"
    let proxy = attempt.isThroughProxy ? " through the proxy" : ""
    let result =
      if let problem = attempt.problem {
        "not reached. \(problem)"
      } else {
        "\(checkup.daemon == nil ? "accepts connections" : "reached")"
          + (attempt.roundTrip.map { ", \(Quantity.time($0))" } ?? "")
      }
    return "  \(way) to \(attempt.address)\(proxy): \(result)"
  }

  private static func words(for kind: String) -> String {
    switch kind {
    case "lan", "direct", "punched": "directly"
    case "proxied": "through the proxy"
    case "webSocket": "by WebSocket"
    case "relayed": "through a relay"
    default: kind
    }
  }

  private var proxy: String {
    guard let proxy = checkup.proxy else { return "none" }
    let exceptions = proxy.exceptions.isEmpty ? "" : "; reached without it: \(proxy.exceptions)"
    return "\(proxy.address.isEmpty ? "unusable" : proxy.address), named by \(proxy.source)\(exceptions)"
  }

  private var multicast: [String] {
    guard let multicast = checkup.multicast else { return [] }
    guard multicast.isOn else { return ["off: \(multicast.reason ?? "unknown")"] }
    let (places, neighbors) = (multicast.interfaces, multicast.neighbors)
    return [
      "on, at \(places) address\(places == 1 ? "" : "es"); members heard from "
        + "\(neighbors) address\(neighbors == 1 ? "" : "es") in the last two minutes"
    ]
  }

  private var channels: [String] {
    guard checkup.daemon != nil else { return [] }
    guard !checkup.channels.isEmpty else { return ["none joined"] }
    return checkup.channels.map { channel in
      let state: String
      switch channel.membership {
      case .unread: state = "its document could not be read yet"
      case .notListed: state = "its document does not list this node"
      case .byName, .listed:
        let parts = [
          (channel.direct, "linked directly"), (channel.relayed, "through a relay"), (channel.unlinked, "not linked"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        let others = "\(channel.online) other member\(channel.online == 1 ? "" : "s") online"
        state = parts.isEmpty ? others : "\(others): \(parts.joined(separator: ", "))"
      }
      return "\(channel.address): \(state)"
    }
  }

  private var gateway: [String] {
    checkup.gateway.map { [$0.text] + $0.channelLines.map { line in "  \(line)" } } ?? []
  }

  private var clock: [String] {
    guard let clock = checkup.clock else { return [] }
    let nodes = "\(clock.nodes) other node\(clock.nodes == 1 ? "" : "s")"
    return ["differs from \(clock.nodes == 1 ? "that" : "those") of \(nodes) by at most \(clock.difference) s"]
  }

  private var disk: [String] {
    guard let disk = checkup.disk else { return [] }
    let room = disk.available.map { "\(Quantity.bytes(Double($0))) free" } ?? "room unknown"
    return ["\(room) for \(disk.directory), which \(disk.problem == nil ? "takes writes" : "takes no writes")"]
  }
}
