import Diagnostics
import Primitives
import Process
import Testing

@testable import Daemon

/// What programs find in a line of the log.
@Suite struct LogEntryTests {
  private let entry = Log.Entry(
    .warning, "Node 6d1f sent wrong bytes.", .wrongBytes,
    about: [.peer("6d1f"), .file("08ab"), .error("x\nPRIORITY=0")],
    place: ("Daemon/NodeEvent+Log.swift", 7))

  @Test func theJournalHasFields() {
    let text = String(decoding: JournalEntry(entry, message: entry.message).datagram, as: UTF8.self)
    #expect(
      text == """
        MESSAGE=Node 6d1f sent wrong bytes.
        PRIORITY=4
        SYSLOG_IDENTIFIER=kacheryd
        MESSAGE_ID=\(Log.Event.wrongBytes.rawValue)
        KACHERY_EVENT=wrongBytes
        KACHERY_PEER=6d1f
        KACHERY_FILE=08ab
        KACHERY_ERROR
        \u{c}\0\0\0\0\0\0\0x
        PRIORITY=0
        CODE_FILE=Daemon/NodeEvent+Log.swift
        CODE_LINE=7

        """)
    let plain = JournalEntry(Log.Entry(.debug, "one", about: [.channel("c"), .port(1)]), message: "one")
    let expected = "MESSAGE=one\nPRIORITY=7\nSYSLOG_IDENTIFIER=kacheryd\nKACHERY_CHANNEL=c\nKACHERY_PORT=1\n"
    #expect(String(decoding: plain.datagram, as: UTF8.self) == expected)
  }

  @Test func aLineOfJSONHasMembers() throws {
    let object = try JSONParser.parse(Array(StandardErrorLog.json(entry).utf8))
    #expect(object["event"]?.string == "wrongBytes" && object["peer"]?.string == "6d1f")
    #expect(object["file"]?.string == "08ab" && object["level"]?.string == "warning")
    let plain = try JSONParser.parse(Array(StandardErrorLog.json(Log.Entry(.info, "one")).utf8))
    #expect(plain.object?.members.map(\.name) == ["time", "level", "message"])
  }

  @Test func everyEventHasAnIdentifierOfTheJournal() {
    for event in Log.Event.allCases {
      #expect(event.rawValue.utf8.count == 32 && event.rawValue.allSatisfy { "0123456789abcdef".contains($0) })
    }
  }
}
