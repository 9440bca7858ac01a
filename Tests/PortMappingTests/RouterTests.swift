import PortMapping
import Primitives
import TestSupport
import Testing

/// What routers answer, and what hostile ones can do: nothing but waste a few seconds of a thread.
@Suite struct RouterTests {
  private static let limit: Duration = .seconds(2)
  private static let service = "urn:schemas-upnp-org:service:WANIPConnection:1"

  private func ask(
    _ router: FakeRouter, _ method: PortMappingProtocol, _ transport: PortMappingQuestion.Transport = .tcp,
    lifetime: Duration = .seconds(7_200),
    location: String? = nil, within limit: Duration = limit
  ) async throws -> PortMappingAnswer {
    var question = PortMappingQuestion(
      method, transport, gateway: router.address, interface: "lo", innerPort: 15_000, outerPort: 15_000,
      lifetime: lifetime)
    question.location = method == .upnp ? location ?? router.location : ""
    let asked = question
    return try await router.loop.onPool { RouterQuestions().ask(asked, within: limit) }
  }

  // MARK: NAT-PMP

  private static func bytes(_ write: (inout ByteWriter) -> Void) -> [UInt8] {
    var writer = ByteWriter()
    write(&writer)
    return writer.bytes
  }

  /// The outside address 203.0.113.9, or an error.
  private static func addressAnswer(_ result: UInt16 = 0) -> [UInt8] {
    bytes { writer in
      writer.raw([0, 128])
      writer.integer(result)
      writer.integer(UInt32(1_000))
      writer.raw([203, 0, 113, 9])
    }
  }

  private static func mapAnswer(
    inner: UInt16 = 15_000, outer: UInt16 = 15_000, seconds: UInt32 = 7_200, result: UInt16 = 0
  ) -> [UInt8] {
    bytes { writer in
      writer.raw([0, 130])
      writer.integer(result)
      writer.integer(UInt32(1_000))
      writer.integer(inner)
      writer.integer(outer)
      writer.integer(seconds)
    }
  }

  /// The question and the answer have numbers of their own, and a late answer to another question changes nothing.
  @Test func aRouterMapsAUDPPortByNATPMP() async throws {
    let router = try await FakeRouter(natPMP: { request in
      guard request.count > 2 else { return [Self.addressAnswer()] }
      let answer = Self.mapAnswer(outer: 4_000, seconds: 600)
      return request[1] == 1 ? [Self.addressAnswer(), [0, 129] + answer.dropFirst(2)] : [answer]
    })
    let answer = try await ask(router, .natPMP, .udp)
    #expect(answer == .granted(outside: IPAddress("203.0.113.9"), port: 4_000, lifetime: .seconds(600)))
    await router.stop()
  }

  @Test func aRouterMapsByNATPMP() async throws {
    let router = try await FakeRouter(natPMP: { request in
      request.count == 2 ? [Self.addressAnswer()] : [Self.mapAnswer(outer: 4_000, seconds: 600)]
    })
    let answer = try await ask(router, .natPMP)
    #expect(answer == .granted(outside: IPAddress("203.0.113.9"), port: 4_000, lifetime: .seconds(600)))
    await router.stop()
  }

  /// Removing asks for no address, and names no outside port.
  @Test func aMappingIsRemovedByNATPMP() async throws {
    let router = try await FakeRouter(natPMP: { request in
      guard request == [0, 2, 0, 0, 0x3a, 0x98, 0, 0, 0, 0, 0, 0] else { return [] }
      return [Self.mapAnswer(outer: 0, seconds: 0)]
    })
    #expect(try await ask(router, .natPMP, lifetime: .zero) == .granted(outside: nil, port: 0, lifetime: .zero))
    await router.stop()
  }

  @Test(arguments: [(2, -51), (3, -52), (4, -53)]) func itMayRefuse(result: Int, code: Int) async throws {
    let atFirst = try await FakeRouter(natPMP: { _ in [Self.addressAnswer(UInt16(result))] })
    #expect(try await ask(atFirst, .natPMP) == .refused(code: code))
    await atFirst.stop()
    let later = try await FakeRouter(natPMP: { request in
      [request.count == 2 ? Self.addressAnswer() : Self.mapAnswer(result: UInt16(result))]
    })
    #expect(try await ask(later, .natPMP) == .refused(code: code))
    await later.stop()
  }

  @Test func aRouterWithoutNATPMPIsNotWaitedFor() async throws {
    let router = try await FakeRouter()
    let begun = ContinuousClock.now
    #expect(try await ask(router, .natPMP, within: .seconds(60)) == .silent)
    // It refuses: nothing listens there.
    #expect(ContinuousClock.now - begun < .seconds(30))
    await router.stop()
  }

  private static let hostile: [FakeRouter.Answer] = [
    { _ in [] },
    { _ in [[]] },
    { _ in [[UInt8](repeating: 0xff, count: 1_400)] },
    { _ in [[0, 128]] },
    { _ in [addressAnswer() + [UInt8](repeating: 0, count: 1_300)] },
    { _ in [[UInt8](repeating: 0, count: 16)] },
    { _ in Array(repeating: mapAnswer(), count: 500) },
    { request in request.count == 2 ? [addressAnswer()] : [mapAnswer(inner: 1)] },
    { request in request.count == 2 ? [addressAnswer()] : Array(repeating: addressAnswer(), count: 500) },
  ]

  @Test(arguments: hostile.indices) func aHostileRouterMapsNothing(number: Int) async throws {
    let router = try await FakeRouter(natPMP: Self.hostile[number])
    let begun = ContinuousClock.now
    let answer = try await ask(router, .natPMP)
    switch answer {
    case .granted: #expect(number == 4, "more bytes than needed do no harm")
    case .silent, .refused, .taken: break
    }
    #expect(ContinuousClock.now - begun < .seconds(30), "the limit is 2 s; the machine may be busy")
    await router.stop()
  }

  // MARK: UPnP

  private static func response(_ body: String, status: String = "200 OK") -> [[UInt8]] {
    [Array("HTTP/1.1 \(status)\r\nContent-Type: text/xml\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)]
  }

  /// - Parameter control: the URL at which the router takes commands.
  private static func description(control: String = "/control") -> String {
    let kind = "urn:schemas-upnp-org:device"
    return """
      <?xml version="1.0"?><root xmlns="\(kind)-1-0"><device><deviceType>\(kind):InternetGatewayDevice:1</deviceType>
      <deviceList><device><deviceType>\(kind):WANDevice:1</deviceType><deviceList><device>
      <deviceType>\(kind):WANConnectionDevice:1</deviceType><serviceList><service><serviceType>\(service)</serviceType>
      <serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>\(control)</controlURL>
      <eventSubURL>/events</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList></device></deviceList>
      </device></deviceList></device></root>
      """
  }

  private static func envelope(_ body: String) -> String {
    """
    <?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>\(body)</s:Body>
    </s:Envelope>
    """
  }

  private static func failure(_ code: Int) -> [[UInt8]] {
    response(
      envelope(
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError>"
          + "<errorCode>\(code)</errorCode><errorDescription>x</errorDescription></UPnPError></detail></s:Fault>"),
      status: "500 Internal Server Error")
  }

  /// A router with this outside address that answers AddPortMapping with this code; 0 to map.
  private static func upnp(code: Int = 0, outside: String = "203.0.113.9") -> FakeRouter.Answer {
    { request in
      let text = String(decoding: request, as: UTF8.self)
      if text.hasPrefix("GET") { return response(description()) }
      if text.contains("GetExternalIPAddress") {
        return response(
          envelope(
            "<u:GetExternalIPAddressResponse xmlns:u=\"\(service)\"><NewExternalIPAddress>\(outside)"
              + "</NewExternalIPAddress></u:GetExternalIPAddressResponse>"))
      }
      if code != 0 { return failure(code) }
      let isRemoval = text.contains("DeletePortMapping")
      let isRight =
        isRemoval
        || (text.contains("<NewLeaseDuration>7200<") && text.contains("<NewInternalPort>15000<")
          && text.contains("<NewInternalClient>127."))
      guard isRight else { return failure(402) }
      let name = isRemoval ? "DeletePortMapping" : "AddPortMapping"
      return response(envelope("<u:\(name)Response xmlns:u=\"\(service)\"></u:\(name)Response>"))
    }
  }

  @Test func aRouterMapsByUPnP() async throws {
    let router = try await FakeRouter(http: Self.upnp())
    let granted = PortMappingAnswer.granted(
      outside: IPAddress("203.0.113.9"), port: 15_000, lifetime: .seconds(7_200), location: router.location)
    #expect(try await ask(router, .upnp) == granted)
    let removed = try await ask(router, .upnp, lifetime: .zero)
    #expect(removed == .granted(outside: nil, port: 0, lifetime: .zero, location: router.location))
    await router.stop()
  }

  @Test(arguments: [(718, PortMappingAnswer.taken), (725, .refused(code: 725)), (606, .refused(code: 606))])
  func itMayRefuse(code: Int, answer: PortMappingAnswer) async throws {
    let router = try await FakeRouter(http: Self.upnp(code: code))
    #expect(try await ask(router, .upnp) == answer)
    await router.stop()
  }

  private static let hostileDescriptions: [[[UInt8]]] = [
    [],
    [Array("garbage\r\n\r\n".utf8)],
    response(""),
    response("<root>" + String(repeating: "<device>", count: 100_000)),
    response(description(control: String(repeating: "a", count: 100_000))),
    [Array("HTTP/1.1 200 OK\r\nContent-Length: 2147483647\r\n\r\n<root>".utf8)],
    [Array("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n<root>".utf8)],
    [Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n<root>".utf8)],
    // It goes on without an end, in the head and in the body.
    [Array("HTTP/1.1 200 OK\r\nX: ".utf8), FakeRouter.endless],
    [Array("HTTP/1.1 200 OK\r\n\r\n".utf8), FakeRouter.endless],
    // Commands that lead to another machine are not sent.
    response(description(control: "http://127.0.0.1:9/control")),
  ]

  @Test(arguments: hostileDescriptions.indices) func aHostileDescriptionMapsNothing(number: Int) async throws {
    let router = try await FakeRouter(http: { _ in Self.hostileDescriptions[number] })
    let begun = ContinuousClock.now
    let answer = try await ask(router, .upnp)
    // A router may say anything to commands, but names no address.
    if case .granted(let outside, _, _, _) = answer { #expect(outside == nil) }
    #expect(ContinuousClock.now - begun < .seconds(30), "the limit is 2 s; the machine may be busy")
    await router.stop()
  }

  @Test(arguments: ["", "x", "127.0.0.1.5", String(repeating: "9", count: 5_000), "::1"])
  func aStrangeOutsideAddressIsUnknown(outside: String) async throws {
    let router = try await FakeRouter(http: Self.upnp(outside: outside))
    let answer = try await ask(router, .upnp)
    if case .granted(let address, _, _, _) = answer { #expect(address == nil) }
    await router.stop()
  }

  /// Another machine that answers the search is not asked.
  @Test func onlyTheGatewayIsBelieved() async throws {
    let router = try await FakeRouter(http: Self.upnp())
    let other = try await FakeRouter(http: Self.upnp())
    #expect(try await ask(router, .upnp, location: other.location) == .silent)
    await router.stop()
    await other.stop()
  }

  /// Nothing is left of a question that has ended at its limit.
  @Test func aNodeThatStopsDoesNotWait() async throws {
    let router = try await FakeRouter(http: { _ in [] })
    let questions = RouterQuestions()
    let begun = ContinuousClock.now
    var question = PortMappingQuestion(
      .upnp, gateway: router.address, interface: "lo", innerPort: 1, outerPort: 1, lifetime: .seconds(7_200))
    question.location = router.location
    let asked = question
    async let answer = router.loop.onPool { questions.ask(asked, within: .seconds(300)) }
    try await Task.sleep(for: .milliseconds(100))
    questions.cancel()
    #expect(try await answer == .silent)
    #expect(ContinuousClock.now - begun < .seconds(60))
    #expect(questions.ask(asked, within: .seconds(300)) == .silent)
    await router.stop()
  }

  @Test func aQuestionWithoutAPortIsNotAsked() throws {
    let gateway = try #require(IPAddress("2001:db8::1"))
    let question = PortMappingQuestion(
      .natPMP, gateway: gateway, interface: "lo", innerPort: 1, outerPort: 1, lifetime: .seconds(60))
    #expect(RouterQuestions().ask(question, within: .seconds(60)) == .silent)
    var other = question
    other.gateway = try #require(IPAddress("127.0.0.1"))
    other.interface = String(repeating: "x", count: 16)
    #expect(RouterQuestions().ask(other, within: .seconds(60)) == .silent)
  }
}
