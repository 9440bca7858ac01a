import Mux
import TestSupport
import Testing

/// Every violation of the protocol, and unusual input that must be accepted.
@Suite struct MuxErrorTests {
  private static let syn: UInt16 = 1
  private static let fin: UInt16 = 4

  /// After 2^31 streams no numbers are left; that is an error, not a trap.
  @Test(arguments: [MuxSession.Role.client, .server])
  func theLastNumberIsUsedAndNoneAfterIt(role: MuxSession.Role) throws {
    var session = MuxSession(role: role, pairsUsed: 0x7fff_fffe)
    for isLeft in [true, role == .client, false, false] {
      let id = session.openStream()
      #expect((id != nil) == isLeft)
    }
  }

  /// More streams than the other side accepts concurrently wait, and open as others end, in order and with what was
  /// sent and finished on them.
  @Test func furtherStreamsWaitForTheirTurn() throws {
    var (client, server) = (MuxEnd(.client), MuxEnd(.server))
    let limit = MuxSession.maximumPeerStreams
    let ids = (0..<limit + 3).map { client.open(sending: [UInt8($0 % 251)]) }
    // Of the waiting streams, one is finished and one reset before its turn.
    client.session.finish(ids[limit])
    client.giveUp(ids[limit + 1])
    for id in ids where client.session.sendable(on: id) > 0 { client.push(id, limit: 10) }
    try hand(&client, &server)
    #expect(server.opened == Array(ids.prefix(limit)) && server.finished.count == limit)
    #expect(client.session.takeAdmitted().isEmpty)
    for id in ids.prefix(3) { server.session.finish(id) }
    try hand(&server, &client)
    #expect(client.session.takeAdmitted() == [ids[limit], ids[limit + 2]])
    client.push(ids[limit + 2], limit: 10)
    try hand(&client, &server)
    #expect(server.opened.suffix(2) == [ids[limit], ids[limit + 2]])
    #expect(server.finished.isSuperset(of: [ids[limit], ids[limit + 2]]))
    #expect(server.received[ids[limit + 2]] == [UInt8((limit + 2) % 251)])
    #expect(server.violations.isEmpty && client.violations.isEmpty)
  }

  private func hand(_ from: inout MuxEnd, _ to: inout MuxEnd) throws {
    from.flush()
    try to.receive(from.wire[...])
    from.wire = []
  }

  @Test func anotherVersionIsRefused() {
    #expect(MuxEnd.refusal(of: MuxEnd.frame(version: 1, type: 2)) == .unknownVersion)
  }

  @Test func anUnknownTypeIsRefused() {
    #expect(MuxEnd.refusal(of: MuxEnd.frame(type: 4)) == .unknownType)
  }

  @Test(arguments: [0, 2, 4] as [UInt32])
  func aStreamOfTheWrongSideIsRefused(_ number: UInt32) {
    #expect(MuxEnd.refusal(of: MuxEnd.frame(type: 1, flags: Self.syn, stream: number)) == .badStream)
  }

  @Test(arguments: [5, 3, 1] as [UInt32])
  func anIdentifierIsUsedOnceAndOnlyUpwards(_ number: UInt32) {
    let first = MuxEnd.frame(type: 1, flags: Self.syn, stream: 5)
    #expect(MuxEnd.refusal(of: first + MuxEnd.frame(type: 1, flags: Self.syn, stream: number)) == .badStream)
  }

  @Test(arguments: [0, 1, 2] as [UInt32])
  func aStreamThatWasNeverOpenedIsRefused(_ number: UInt32) {
    #expect(MuxEnd.refusal(of: MuxEnd.frame(type: 0, stream: number, value: 1)) == .badStream)
    #expect(MuxEnd.refusal(of: MuxEnd.frame(type: 1, stream: number, value: 1)) == .badStream)
  }

  @Test func bytesBehindTheEndAreRefused() {
    let ended = MuxEnd.frame(type: 0, flags: Self.syn | Self.fin, stream: 1)
    #expect(MuxEnd.refusal(of: ended + MuxEnd.frame(type: 0, stream: 1, value: 1)) == .badStream)
  }

  @Test func moreThanTheWindowIsRefusedBeforeItArrives() {
    let window = UInt32(MuxSession.initialWindow)
    #expect(MuxEnd.refusal(of: MuxEnd.frame(type: 0, flags: Self.syn, stream: 1, value: window)) == nil)
    #expect(
      MuxEnd.refusal(of: MuxEnd.frame(type: 0, flags: Self.syn, stream: 1, value: window + 1)) == .windowExceeded)
  }

  @Test func aWindowThatOverflowsIsRefused() {
    let wide = MuxEnd.frame(type: 1, flags: Self.syn, stream: 1, value: .max - UInt32(MuxSession.initialWindow))
    #expect(MuxEnd.refusal(of: wide) == nil)
    #expect(MuxEnd.refusal(of: wide + MuxEnd.frame(type: 1, stream: 1, value: 1)) == .windowExceeded)
  }

  @Test func tooManyStreamsAreRefused() {
    let opening = (0..<UInt32(MuxSession.maximumPeerStreams)).flatMap { index in
      MuxEnd.frame(type: 1, flags: Self.syn, stream: 2 * index + 1)
    }
    let oneMore = MuxEnd.frame(type: 1, flags: Self.syn, stream: 2 * UInt32(MuxSession.maximumPeerStreams) + 1)
    #expect(MuxEnd.refusal(of: opening) == nil)
    #expect(MuxEnd.refusal(of: opening + oneMore) == .tooManyStreams)
  }

  @Test func streamsThatAreGoneMakeRoomForOthers() throws {
    var server = MuxEnd(.server)
    for index in 0..<UInt32(3 * MuxSession.maximumPeerStreams) {
      let flags = index.isMultiple(of: 2) ? Self.syn | Self.fin : Self.syn
      try server.receive(MuxEnd.frame(type: 0, flags: flags, stream: 2 * index + 1)[...])
      let id = StreamID(number: 2 * index + 1)
      if index.isMultiple(of: 2) { server.session.finish(id) } else { server.session.reset(id) }
      server.flush()
    }
    #expect(server.session.openStreams == 0)
  }

  @Test func aPeerThatIgnoresAnswersIsDisconnected() {
    let count = MuxSession.maximumOutput / 12
    let pings = [UInt8]((0..<count + 2).map { _ in MuxEnd.frame(type: 2, flags: Self.syn) }.joined())
    #expect(MuxEnd.refusal(of: Array(pings.prefix(12 * count))) == nil)
    #expect(MuxEnd.refusal(of: pings) == .flood)
  }

  @Test(arguments: [0, 1] as [UInt8])
  func framesOfAStreamThatIsGoneAreBorne(_ type: UInt8) throws {
    var server = MuxEnd(.server)
    try server.receive(MuxEnd.frame(type: 1, flags: Self.syn, stream: 1)[...])
    server.session.reset(StreamID(number: 1))
    try server.receive((MuxEnd.frame(type: type, stream: 1, value: 0) + MuxEnd.frame(type: 3))[...])
    #expect(server.received.isEmpty)
  }
}
