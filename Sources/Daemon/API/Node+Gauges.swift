import APIModel
import ContentStore
import Diagnostics
import Files
import LocalAPI
import NodeCore
import Primitives
import Wire

/// The metrics that are read when they are asked for.
extension Node {
  /// At most this many linked nodes have values of their own.
  private static let maximumNodes = 200

  func gauges(namingChannels: Bool) async -> [MetricFamily] {
    let directory = configuration.storageDirectory
    let available = try? await loop.onPool { () throws(KacheryError) in
      try FileSystem.availableBytes(at: directory)
    }
    var families = [
      MetricFamily(
        "kachery_build_info", "The version of the daemon and of the protocol between nodes; the value is 1.",
        [([("version", APIVersion.daemon), ("peer_protocol", "\(APIVersion.peerProtocol)")], 1)]),
      MetricFamily(
        "kachery_start_time_seconds", "When the daemon started, in seconds since 1970.",
        Double(startTime.milliseconds) / 1_000),
      MetricFamily(
        "kachery_running_transfers", "Transfers that are running, by their kind.", by: "kind", transferCounts),
      MetricFamily(
        "kachery_linked_nodes", "Linked nodes, by the kind of the path that is in use.", by: "path", nodeCounts),
      MetricFamily("kachery_channels", "Channels that this node has joined.", Double(channels.list.count)),
    ]
    if let available {
      families.append(
        MetricFamily(
          "kachery_disk_available_bytes", "Bytes that are available on the disk of the storage directory.",
          Double(available)))
    }
    return families + storeFamilies + nodeFamilies + (namingChannels ? channelFamilies : [])
  }

  private var transferCounts: [(text: String, value: Int)] {
    let running = transfers
    return TransferState.Kind.allCases.map { kind in (kind.rawValue, running.count { $0.kind == kind }) }
  }

  private var nodeCounts: [(text: String, value: Int)] {
    let used = driver.read(\.activePeers).map { peer in peer.paths.first { $0.isUsed }?.kind }
    return PathKind.allCases.map { kind in (kind.rawValue, used.count { $0 == kind }) }
  }

  // MARK: The store

  private var storeFamilies: [MetricFamily] {
    let usage = storeSize.latest(at: loop.now)
    let amounts = usage.map { usage in
      [
        ("stored", usage.files), ("linked", usage.links), ("pinned", usage.pinned), ("trash", usage.trash),
        ("damaged", usage.damaged), ("unfinished", usage.unfinished),
      ]
    }
    return [
      MetricFamily(
        "kachery_store_files",
        "Files in the storage directory, counted from time to time; pinned ones are stored as well.",
        by: "kind", (amounts ?? []).map { ($0, $1.count) }),
      MetricFamily(
        "kachery_store_bytes", "Their bytes, counted at the same times.",
        by: "kind", (amounts ?? []).map { ($0, Int(clamping: $1.bytes)) }),
      MetricFamily(
        "kachery_store_limit_bytes",
        "The most bytes that the owner allows for stored files; no value if there is no limit.",
        usage?.limit.map { [([], Double($0))] } ?? []),
    ]
  }

  // MARK: Nodes

  private var nodeFamilies: [MetricFamily] {
    let paths = driver.read(\.activePeers).prefix(Self.maximumNodes).compactMap { peer in
      peer.paths.first { $0.isUsed }.map { (node: peer.node, path: $0, measured: links.measured($0.link)) }
    }
    let measured = paths.compactMap { path in path.measured.map { (path.node, path.path, $0) } }
    return [
      MetricFamily(
        "kachery_node_round_trip_seconds", "The round trip to each linked node over the path in use.",
        measured.compactMap { node, path, measured in
          measured.roundTrip.map { ([("peer", node.hex), ("path", path.kind.rawValue)], $0 / .seconds(1)) }
        }),
      MetricFamily(
        "kachery_node_bytes", "Bytes over the link in use to each linked node since it is up.",
        measured.flatMap { node, _, measured in
          [("received", measured.traffic.received), ("sent", measured.traffic.sent)].map { direction, bytes in
            ([("peer", node.hex), ("direction", direction)], Double(bytes))
          }
        }),
    ]
  }

  // MARK: Channels

  private var channelFamilies: [MetricFamily] {
    let states = channelStates(withAllMembers: false)
    func family(_ name: String, _ meaning: String, _ value: (ChannelState) -> Int) -> MetricFamily {
      MetricFamily(name, meaning, by: "channel", states.map { ($0.channel.address.text, value($0)) })
    }
    return [
      family(
        "kachery_channel_readable", "1 for a channel whose document could be read, or that has none; otherwise 0."
      ) { $0.problem == nil ? 1 : 0 },
      family(
        "kachery_channel_listed", "1 for a channel of which this node is a member; 0 if its document does not list it."
      ) { $0.isByName || $0.rights != nil ? 1 : 0 },
      family("kachery_channel_members", "Other nodes of the channel that are known.") { $0.memberCount },
      family("kachery_channel_online_nodes", "Those of them that can be reached.") { $0.onlineCount },
    ]
  }
}
