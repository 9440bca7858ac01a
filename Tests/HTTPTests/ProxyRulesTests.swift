import HTTP
import Primitives
import Testing

@Suite struct ProxyRulesTests {
  private func proxy(for host: String, except exceptions: String = "") throws -> String? {
    try ProxyRules(proxy: "http://proxy:3128", except: exceptions, from: .environment).proxy(for: host)?.description
  }

  @Test(arguments: [
    ("http://proxy.example.org:3128", "proxy.example.org:3128", "", ""), ("proxy:80", "proxy:80", "", ""),
    ("HTTP://proxy:80/", "proxy:80", "", ""), ("http://proxy", "proxy:1080", "", ""),
    ("http://[fe80::1]:3128", "[fe80::1]:3128", "", ""), ("[::1]", "[::1]:1080", "", ""),
    ("http://ann:pass@proxy:1", "proxy:1", "ann", "pass"), ("ann@proxy:1", "proxy:1", "ann", ""),
    ("http://a%40b:p%3Aq@r@proxy:1", "proxy:1", "a@b", "p:q@r"),
  ])
  func addressesAreRead(text: String, place: String, user: String, password: String) throws {
    let address = try ProxyAddress(text)
    #expect("\(address.endpoint)" == place)
    #expect(address.user == user && address.password == password)
    #expect("\(address)" == "http://\(place)", "the password is not shown")
  }

  @Test(arguments: [
    "", "http://", "http://:80", "http://proxy:0", "http://proxy:99999", "http://a b:1", "https://proxy:1",
    "socks5h://proxy:1", "http://u:secret@:1", "https://u:secret@proxy:1",
  ])
  func otherAddressesAreRefused(text: String) {
    #expect {
      try ProxyAddress(text)
    } throws: {
      guard let error = $0 as? KacheryError else { return false }
      return error.code == .badConfiguration && !error.message.contains("secret")
    }
  }

  @Test(arguments: [
    ("node.example.org", true), ("example.org", true), ("EXAMPLE.org.", true), ("notexample.org", false),
    ("example.org.evil.net", false), ("10.1.2.3", true), ("11.1.2.3", false), ("192.0.2.7", true),
    ("192.0.2.8", false), ("fd00::5", true), ("fd01::5", false), ("10.evil.net", false), ("intern", true),
    ("a.intern", true), ("2001:db8::1", true),
  ])
  func someHostsAreReachedDirectly(host: String, isDirect: Bool) throws {
    let exceptions = "example.org,.intern 10.0.0.0/8, 192.0.2.7,fd00::/16,[2001:db8::1]"
    #expect(try (proxy(for: host, except: exceptions) == nil) == isDirect)
  }

  @Test(arguments: ["localhost", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
  func thisMachineIsReachedDirectly(host: String) throws {
    #expect(try proxy(for: host) == nil)
  }

  @Test func everythingOrNothingIsExempt() throws {
    #expect(try proxy(for: "a.org", except: "*") == nil)
    #expect(try proxy(for: "a.org", except: "") == "http://proxy:3128")
    #expect(try proxy(for: "a.org", except: ", ,") == "http://proxy:3128")
    #expect(try ProxyRules(proxy: "none", except: "", from: .configuration).proxy(for: "a.org") == nil)
    #expect(try ProxyRules().proxy(for: "a.org") == nil)
  }

  @Test func noHostIsReachedDirectlyIfTheProxyCannotBeUsed() throws {
    let rules = ProxyRules(proxy: "socks5://proxy:1", except: "b.org", from: .environment)
    #expect(throws: KacheryError.self) { try rules.proxy(for: "a.org") }
    #expect(try rules.proxy(for: "b.org") == nil)
  }
}
