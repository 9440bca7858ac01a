import Links
import Primitives

/// Lanes whose other ends are controlled by the test. Bound to their user's loop.
final class MemoryLanes: Lanes {
  /// The opened streams, in order, each with its lane and its window.
  private(set) var streams: [(lane: LaneID, stream: MemoryStream, window: Int)] = []
  private(set) var arrivedBytes = 0
  private(set) var users = 0
  var roundTripTime: Duration?
  private var ids: [LaneID]
  private var link: LinkID?
  private var isUp = true
  private var user: (any LaneUser)?

  init(_ count: Int = 0) { ids = (0..<count).map { LaneID(number: UInt64($0 + 1)) } }

  var usable: [Lane] {
    guard isUp else { return [] }
    return (ids.isEmpty ? [LaneID(number: 0, of: link)] : ids).map { id in
      Lane(id: id) { window in
        let stream = MemoryStream()
        self.streams.append((id, stream, window))
        return stream
      }
    }
  }

  func join(_ user: any LaneUser) {
    users += 1
    self.user = user
  }

  func leave(_ user: any LaneUser) {
    users -= 1
    self.user = nil
  }

  func arrived(_ count: Int) { arrivedBytes += count }

  /// Prefers another link of the node, which has no lanes.
  func move(to link: LinkID) {
    self.link = link
    ids = []
    user?.lanesChanged()
  }

  /// Nothing more comes over this link.
  func abandon(_ link: LinkID) { user?.linkAbandoned(link) }

  /// Breaks all links to the node.
  func lose() {
    isUp = false
    for each in streams where !each.stream.isReset { each.stream.end(.linkClosed) }
    user?.lanesChanged()
  }

  /// Opens another lane.
  func open(_ id: LaneID) {
    ids.append(id)
    user?.lanesChanged()
  }

  /// Breaks a lane and its streams.
  func cut(_ id: LaneID) {
    ids.removeAll { $0 == id }
    for each in streams where each.lane == id && !each.stream.isReset { each.stream.end(.linkClosed) }
    user?.lanesChanged()
  }
}
