import Crypto
import Primitives
import Testing

@testable import Gateway

@Suite struct HeaderTests {
  private static let tag = "\"sha1-x\""

  private func outcome(_ headers: [ByteString: String]) -> Preconditions.Outcome {
    Preconditions(headers).outcome(of: Self.tag)
  }

  @Test func conditionsCompareTags() {
    #expect(outcome([:]) == .send)
    for known in [Self.tag, "W/\(Self.tag)", "*", "\"a\", \(Self.tag)", "\"a\",W/\(Self.tag) ,\"b\""] {
      #expect(outcome(["if-none-match": known]) == .notModified, "\(known)")
    }
    for other in ["\"a\"", "sha1-x", "", "\"sha1-xy\""] { #expect(outcome(["if-none-match": other]) == .send) }
    #expect(outcome(["if-match": Self.tag]) == .send && outcome(["if-match": "*"]) == .send)
    #expect(outcome(["if-match": "W/\(Self.tag)"]) == .failed && outcome(["if-match": "\"a\""]) == .failed)
  }

  @Test func aRangeCountsIfTheFileIsTheSame() {
    func allows(_ value: String?) -> Bool {
      Preconditions(value.map { ["if-range": $0] } ?? [:]).allowsRange(of: Self.tag)
    }
    #expect(allows(nil) && allows(Self.tag) && allows(" \(Self.tag) "))
    #expect(!allows("W/\(Self.tag)") && !allows("\"a\"") && !allows("Wed, 21 Oct 2026 07:28:00 GMT"))
  }

  @Test func onlyAllowedPagesMayRead() {
    func names(_ headers: [(name: String, value: String)]) -> [String] { headers.map(\.name) }
    let (none, one, all) = (
      CrossOriginAccess([]), CrossOriginAccess(["https://a.example"]), CrossOriginAccess(["*", "https://a.example"])
    )
    #expect(none.headers(for: "https://a.example").isEmpty && none.preflight(for: "https://a.example").isEmpty)
    #expect(names(one.headers(for: "https://b.example")) == ["Vary"] && one.preflight(for: "https://b.example").isEmpty)
    #expect(names(one.headers(for: nil)) == ["Vary"])
    #expect(one.headers(for: "https://a.example").first?.value == "https://a.example")
    #expect(names(one.headers(for: "https://a.example")).contains("Vary"))
    #expect(all.headers(for: "https://b.example").first?.value == "*")
    #expect(!names(all.headers(for: "https://b.example")).contains("Vary"))
    #expect(names(all.preflight(for: "null")).contains("Access-Control-Allow-Headers"))
  }

  @Test func namesAreEscapedInHeaders() {
    func disposition(_ name: String) -> String? {
      FileHeaders(hash: ContentHash.of([]), name: name).all.first { $0.name == "Content-Disposition" }?.value
    }
    #expect(disposition("") == nil)
    #expect(disposition("a b.txt") == "inline; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt")
    #expect(disposition("\"é\r\n;") == "inline; filename=\"_____;\"; filename*=UTF-8''%22%C3%A9%0D%0A%3B")
    for name in ["\"x\"; evil=1", "a\r\nSet-Cookie: b", "é\u{301}", "100%41", "\\"] {
      let value = disposition(name) ?? ""
      #expect(value.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "\(value)")
      #expect(value.utf8.filter { $0 == UInt8(ascii: "\"") }.count == 2 && !value.contains("%41\""), "\(value)")
    }
  }

  @Test(arguments: [
    ("a.json", "application/json"), ("A.PNG", "image/png"), ("x.tar.gz", "application/gzip"),
    ("s.nwb", "application/x-hdf5"),
    (".zarray", "application/json"), ("a", MediaType.unknown), ("", MediaType.unknown), ("a.", MediaType.unknown),
    ("page.html", "text/html; charset=utf-8"), ("a.html.exe", MediaType.unknown),
  ])
  func typesFollowFromNames(name: String, type: String) {
    #expect(MediaType.of(name) == type)
  }

  @Test func filesCannotRunScripts() {
    func policy(_ name: String) -> String? {
      FileHeaders(hash: ContentHash.of([]), name: name).all.first { $0.name == "Content-Security-Policy" }?.value
    }
    for name in ["a.html", "a.svg", "a.xml", "a", "a.js"] { #expect(policy(name)?.contains("sandbox") == true) }
    #expect(policy("a.pdf") == nil)
  }

  @Test func anIndexEscapesNames() throws {
    let evil = "<script>alert(1)&\"'\u{202e}"
    let content = try FolderDocument(files: [], folders: [])
    let folder = try FolderDocument(
      files: [
        .init(name: ByteString(evil), size: 5, hash: ContentHash.of([])),
        .init(name: "javascript:x", size: 1, hash: ContentHash.of([])),
      ],
      folders: [.init(name: "sub dir", content: content)])
    let uri = FolderURI(hash: ContentHash.of([]), label: "<b>", path: ["<i>"])
    let index = FolderIndex(folder: folder, uri: uri)
    let html = String(decoding: index.bytes(.html), as: UTF8.self)
    #expect(!html.contains("<script") && !html.contains("<b>") && !html.contains("<i>") && !html.contains("\u{202e}"))
    #expect(html.contains("href=\"sub%20dir/\"") && html.contains("href=\"javascript%3Ax\""))
    let json = try JSONParser.parse(index.bytes(.json))
    #expect(json["files"]?[ByteString(evil)]?["size"]?.unsigned == 5 && json["dirs"]?.array == [.string("sub dir")])
    #expect(FolderIndex.Form(accept: "text/html,application/xml;q=0.9") == .html)
    #expect(FolderIndex.Form(accept: "*/*") == .json && FolderIndex.Form(accept: nil) == .json)
  }
}
