import Database
import FeedStore
import Files
import Primitives
import TestSupport
import Testing

@Suite struct MutableTableTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open() throws -> MutableTable { try MutableTable(directory: folder.path) }

  @Test func keepsAnyValueUnderAnyKey() throws {
    let table = try open()
    let values: [JSONValue] = [.null, true, 12, .double(1.5), "é\n", [1, [2]], ["b": 1, "a": [:]]]
    for (index, value) in values.enumerated() {
      for key in [value, .integer(Int64(100 + index))] {
        #expect(try table.get(key) == nil)
        #expect(try table.set(key, value))
      }
    }
    table.close()
    let again = try open()
    for value in values.dropLast() { #expect(try again.get(value) == value) }
    #expect(try again.get(["a": [:], "b": 1])?["b"] == 1)
  }

  @Test func theOrderOfAKeysMembersDoesNotMatter() throws {
    let table = try open()
    try table.set(["type": "feedConfig", "feedId": "f"], 1)
    #expect(try table.get(["feedId": "f", "type": "feedConfig"]) == 1)
    #expect(try table.set(["feedId": "f", "type": "feedConfig"], 2, update: false) == false)
    #expect(try table.get(["type": "feedConfig", "feedId": "f"]) == 1)
  }

  @Test(arguments: [
    "1.0", "-0.0", "9007199254740993", "9223372036854775808", "-123456789012345678901234567890", "1e-400", "0.10",
  ])
  func aValueKeepsItsNumbersAsTheyWereSpelled(literal: String) throws {
    let table = try open()
    let text = #"{"a":[\#(literal),{"b":\#(literal)}]}"#
    try table.set("k", try JSONParser.parse(text))
    #expect(try table.get("k")?.compact == text)
    table.close()
    #expect(try open().get("k")?.compact == text)
  }

  @Test(arguments: ["9007199254740993", "9223372036854775808", "0.12345678901234567890", "1e-400"])
  func aKeyThatAnotherKeyWouldEqualIsRefused(literal: String) throws {
    let table = try open()
    let key = try JSONParser.parse(#"{"a":[0,\#(literal)]}"#)
    for use in [{ _ = try table.set(key, 1) }, { _ = try table.get(key) }, { _ = try table.delete(key) }] {
      let error = #expect(throws: KacheryError.self) { try use() }
      #expect(error?.code == .badRequest)
      #expect(error?.message.contains("\(literal) at $.a[1] ") == true)
    }
  }

  /// Older software stored such keys under their canonical form, which still finds them; their values are read
  /// unchanged.
  @Test func whatOlderSoftwareKeptUnderARoundedKeyIsFound() throws {
    let table = try open()
    try table.set(.integer(9_007_199_254_740_992), try JSONParser.parse("123456789012345680"))
    #expect(try table.get(try JSONParser.parse("9007199254740992.0")) == .integer(123_456_789_012_345_680))
    #expect(try table.set(["n": .integer(1)], 1))
    #expect(try table.get(["n": .double(1)]) == 1)
  }

  /// Keys that look alike are distinct, each with its own value.
  @Test func aKeyIsItsBytes() throws {
    let table = try open()
    for pair in try Vectors.json("names.json").list("different") {
      let names = try #require(pair.array)
      for name in names { try table.set(["type": "named", "name": name], name) }
      for name in names { #expect(try table.get(["type": "named", "name": name]) == name) }
      #expect(try table.delete(["type": "named", "name": names[0]]))
      #expect(try table.get(["type": "named", "name": names[1]]) == names[1])
    }
  }

  @Test func updatesOnlyWhereAsked() throws {
    let table = try open()
    #expect(try table.set("k", 1, update: false))
    #expect(try !table.set("k", 2, update: false))
    #expect(try table.get("k") == 1)
    #expect(try table.set("k", 3))
    #expect(try table.get("k") == 3)
    #expect(try table.delete("k"))
    #expect(try !table.delete("k"))
    #expect(try table.get("k") == nil)
  }

  @Test func isTheUsersAlone() throws {
    let table = try open()
    try table.set("k", 1)
    for name in try folder.files() {
      #expect(try FileSystem.status(folder.path(name)).permissions == 0o600, "\(name)")
    }
  }

  /// As older software wrote it: the SHA-1 is that of the key's canonical JSON, computed by another program.
  private func writeAsOlderSoftware() throws {
    let connection = try Connection(folder.path("mutables.db"), journal: .asFound)
    try connection.execute("CREATE TABLE mutables (sha1 TEXT PRIMARY KEY, key TEXT, value TEXT) WITHOUT ROWID")
    let row: [SQLValue] = [
      "10e8239b0916b8f0b8016be4eb13d0248ad71214", #""_joined_channels_config""#,
      #"{"joinedChannels":[{"channelConfigUrl":"https://x/c.yaml","isDataProxy":false}]}"#,
    ]
    try connection.execute("INSERT INTO mutables VALUES(?, ?, ?)", row)
    try connection.execute(
      "INSERT INTO mutables VALUES('74a2a54d8c04e7118102c4e21dad8de420019155', '\"damaged\"', 'not JSON')")
    connection.close()
  }

  @Test func aFileOfOlderSoftwareIsUsedAsItIs() throws {
    try writeAsOlderSoftware()
    let before = try FileSystem.read(folder.path("mutables.db"), limit: 1 << 20)
    let table = try open()
    let value = try table.get("_joined_channels_config")
    #expect(value?["joinedChannels"]?.array?.first?["channelConfigUrl"] == "https://x/c.yaml")
    table.close()
    #expect(try FileSystem.read(folder.path("mutables.db"), limit: 1 << 20) == before)
    #expect(try folder.files() == ["mutables.db"])
    try open().set("_joined_channels_config", ["joinedChannels": []])
    #expect(try open().get("_joined_channels_config") == ["joinedChannels": []])
  }

  @Test func aDamagedValueIsNamed() throws {
    try writeAsOlderSoftware()
    let table = try open()
    let error = #expect(throws: KacheryError.self) { try table.get("damaged") }
    #expect(error?.code == .storageFailed)
    #expect(error?.message.contains(#""damaged""#) == true)
    #expect(try table.set("damaged", 1))
    #expect(try table.get("damaged") == 1)
  }

  @Test func aFileThatIsNotADatabaseIsRejected() throws {
    try folder.write("mutables.db", String(repeating: "no database ", count: 200))
    let error = #expect(throws: KacheryError.self) { try open() }
    #expect(error?.message.contains("mutables.db") == true)
  }

  @Test func manyThreadsAndTwoProcessesTakeTurns() async throws {
    let tables = [try open(), try open()]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<40 {
        group.addTask { try tables[index % 2].set(.integer(Int64(index)), .integer(Int64(index * index))) }
      }
      try await group.waitForAll()
    }
    for index in 0..<40 { #expect(try tables[0].get(.integer(Int64(index)))?.integer == Int64(index * index)) }
  }

  @Test func aClosedTableSaysSo() throws {
    let table = try open()
    table.close()
    table.close()
    #expect(throws: KacheryError.self) { try table.get("k") }
  }
}
