package import Primitives

/// Where a connection comes from.
package enum HTTPOrigin: Hashable, Sendable {
  /// An IPv4 address, in network byte order.
  case address(UInt32)
  /// A user of this machine, who connected to the Unix socket.
  case user(UInt32)
}

/// Who has proved a right to use the server, and the part of its connections that this holder may occupy.
package struct HTTPHolder: Hashable, Sendable {
  let name: String
  /// The holder's requests may occupy the `divisor`-th part of all connections; nil if they are not limited, except
  /// that those which wait leave room for others.
  package let divisor: Int?

  /// The holder of the full token, or the user who runs the server.
  package static let owner = HTTPHolder(name: "the owner", divisor: nil)

  /// A holder whose requests, all together, may occupy at most `limit / divisor` connections.
  package init(_ name: String, divisor: Int) {
    self.name = name
    self.divisor = divisor
  }

  private init(name: String, divisor: Int?) {
    self.name = name
    self.divisor = divisor
  }
}

/// A server's connections: how long each may keep the server waiting, and which one goes when there is no room.
///
/// A value without I/O and without a clock. The newest connection always gets in. To make room, the oldest connection
/// goes of the origin with the most unproved ones: those whose clients have shown no right to be served. Proved ones go
/// only while they are idle.
package struct ConnectionTable {
  /// A number that is never used again.
  package typealias Number = UInt

  /// Time for the first head of a connection, including its TLS handshake.
  package static let headPatience: Duration = .seconds(10)
  /// Time for the next head of a connection that was kept open. Clients that send another request open a new one.
  package static let idlePatience: Duration = .seconds(30)
  /// Time during which a client may send nothing of its body, all together.
  package static let bodyPatience: Duration = .seconds(30)
  /// Bytes of a body that grant a second more. A byte now and then therefore gains nothing.
  package static let leastBodyRate: UInt64 = 8 << 10

  private enum Phase {
    /// Waiting for a head.
    case head(until: Instant)
    /// The head has arrived, and the client has kept the server waiting for this long.
    case request(waited: Duration, checked: Instant)
    /// The client has kept the server waiting for too long.
    case overdue
  }

  private struct Connection {
    let origin: HTTPOrigin
    var phase: Phase
    var isProved = false
    var holder: HTTPHolder?
  }

  /// The unproved connections of an origin, by age. `order` may contain others, which are removed in time.
  private struct Arrivals {
    var order = Queue<Number>()
    var count = 0
    var first: Number { order.first ?? .max }
  }

  /// The most connections that stay open.
  package let limit: Int
  private var connections: [Number: Connection] = [:]
  private var arrivals: [HTTPOrigin: Arrivals] = [:]
  /// How many requests each holder has open.
  private var held: [HTTPHolder: Int] = [:]
  private var last: Number = 0

  package init(limit: Int) { self.limit = max(1, limit) }

  /// The number of connections.
  package var count: Int { connections.count }

  // MARK: Connections

  /// Adds a connection.
  ///
  /// - Returns: its number, and that of the connection to close in its favor, if there is no room.
  package mutating func accept(from origin: HTTPOrigin, at now: Instant) -> (number: Number, closing: Number?) {
    last += 1
    connections[last] = Connection(origin: origin, phase: .head(until: now + Self.headPatience))
    arrivals[origin, default: Arrivals()].order.append(last)
    arrivals[origin, default: Arrivals()].count += 1
    let closing = victim(for: origin)
    if let closing { remove(closing) }
    return (last, closing)
  }

  /// Forgets a connection. Idempotent.
  package mutating func remove(_ number: Number) {
    guard let connection = connections.removeValue(forKey: number) else { return }
    release(connection.holder)
    if !connection.isProved { leave(connection.origin) }
  }

  /// An origin occupies at most half of the connections with unproved ones.
  private mutating func victim(for origin: HTTPOrigin) -> Number? {
    if let count = arrivals[origin]?.count, count > max(1, limit / 2) { return oldestUnproved(of: origin) }
    guard connections.count > limit else { return nil }
    if let crowd = largestOrigin, let oldest = oldestUnproved(of: crowd), oldest != last { return oldest }
    return idleLongest ?? last
  }

  /// The origin with the most unproved connections; of several, the one with the oldest of them.
  private var largestOrigin: HTTPOrigin? {
    arrivals.max { ($0.value.count, $1.value.first) < ($1.value.count, $0.value.first) }?.key
  }

  private mutating func oldestUnproved(of origin: HTTPOrigin) -> Number? {
    while let first = arrivals[origin]?.order.first {
      if connections[first]?.isProved == false { return first }
      arrivals[origin]?.order.removeFirst(1)
    }
    return nil
  }

  /// The proved connection that has been waiting longest for its next head.
  private var idleLongest: Number? {
    let idle = connections.compactMap { number, connection -> (until: Instant, number: Number)? in
      guard connection.isProved, case .head(let until) = connection.phase else { return nil }
      return (until, number)
    }
    return idle.min { $0 < $1 }?.number
  }

  private mutating func leave(_ origin: HTTPOrigin) {
    guard var own = arrivals[origin] else { return }
    own.count -= 1
    guard own.count > 0 else {
      arrivals[origin] = nil
      return
    }
    if own.order.count > 2 * own.count + 16 { own.order.removeAll { connections[$0]?.isProved != false } }
    arrivals[origin] = own
  }

  // MARK: Requests

  /// A complete head has arrived.
  package mutating func receivedHead(_ number: Number, at now: Instant) {
    connections[number]?.phase = .request(waited: .zero, checked: now)
  }

  /// The answer is complete.
  package mutating func answered(_ number: Number, at now: Instant) {
    guard let holder = connections[number].map(\.holder) else { return }
    release(holder)
    connections[number]?.holder = nil
    connections[number]?.phase = .head(until: now + Self.idlePatience)
  }

  /// Records that a connection is proved, and that its request is one of the holder's.
  ///
  /// - Parameter waits: whether the request can take long, as a long poll does.
  /// - Returns: false if the holder has as many requests as it may have; this one must not be served.
  package mutating func claim(_ number: Number, for holder: HTTPHolder, waits: Bool) -> Bool {
    guard let connection = connections[number] else { return true }
    release(connection.holder)
    connections[number]?.holder = nil
    if !connection.isProved {
      connections[number]?.isProved = true
      leave(connection.origin)
    }
    guard holder.divisor != nil || waits else { return true }
    guard hasRoom(for: holder) else { return false }
    held[holder, default: 0] += 1
    connections[number]?.holder = holder
    return true
  }

  /// An eighth of all connections stays free of requests that wait, and a quarter free of those of limited holders.
  private func hasRoom(for holder: HTTPHolder) -> Bool {
    let all = held.values.reduce(0, +)
    guard all < limit - limit / 8 else { return false }
    guard let divisor = holder.divisor else { return true }
    let limited = all - held[.owner, default: 0]
    return held[holder, default: 0] < max(1, limit / divisor) && limited < limit - limit / 4
  }

  private mutating func release(_ holder: HTTPHolder?) {
    guard let holder, let count = held[holder] else { return }
    held[holder] = count > 1 ? count - 1 : nil
  }

  // MARK: Deadlines

  /// Counts the time for which the client keeps the server waiting for its body. The server calls this regularly.
  ///
  /// - Parameter received: the bytes of the body that have arrived; nil if the server is not waiting for any.
  package mutating func noteBody(of number: Number, received: UInt64?, at now: Instant) {
    guard case .request(var waited, let checked)? = connections[number]?.phase else { return }
    if let received {
      waited += now - checked
      guard waited <= Self.bodyPatience + .seconds(received / Self.leastBodyRate) else {
        connections[number]?.phase = .overdue
        return
      }
    }
    connections[number]?.phase = .request(waited: waited, checked: now)
  }

  /// Removes the connections that have kept the server waiting for too long.
  ///
  /// - Returns: their numbers, in order, for closing them.
  package mutating func removeOverdue(at now: Instant) -> [Number] {
    let overdue = connections.filter { _, connection in
      switch connection.phase {
      case .head(let until): until <= now
      case .request: false
      case .overdue: true
      }
    }.keys.sorted()
    for number in overdue { remove(number) }
    return overdue
  }
}
