import HTTP

extension ProxyRules {
  /// The rules of the daemon: an option or a variable of kachery comes before kachery.yaml, and that before the
  /// variables of the whole system.
  init(_ configuration: DaemonConfiguration, _ settings: ReloadedSettings = ReloadedSettings()) {
    let given = configuration.proxyExceptions ?? settings.proxyExceptions
    let exceptions = given ?? configuration.environmentProxyExceptions
    if let proxy = configuration.proxy ?? settings.proxy {
      self.init(proxy: proxy, except: exceptions, from: .configuration)
    } else {
      self.init(proxy: configuration.environmentProxy, except: exceptions, from: .environment)
    }
  }
}
