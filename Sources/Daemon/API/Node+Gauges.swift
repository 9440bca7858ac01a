import APIModel
import Diagnostics
import Files
import LocalAPI
import NodeCore
import Primitives
import Wire

/// The metrics that are read when they are asked for. None names a channel, a file or another node.
extension Node {
  func gauges() async -> [MetricFamily] {
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
    ]
    if let available {
      families.append(
        MetricFamily(
          "kachery_disk_available_bytes", "Bytes that are available on the disk of the storage directory.",
          Double(available)))
    }
    return families
  }

  private var transferCounts: [(text: String, value: Int)] {
    let running = transfers
    return TransferState.Kind.allCases.map { kind in (kind.rawValue, running.count { $0.kind == kind }) }
  }

  private var nodeCounts: [(text: String, value: Int)] {
    let used = driver.read(\.activePeers).map { peer in peer.paths.first { $0.isUsed }?.kind }
    return PathKind.allCases.map { kind in (kind.rawValue, used.count { $0 == kind }) }
  }
}
