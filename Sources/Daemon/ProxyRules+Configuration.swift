import ContentStore
import HTTP

extension ProxyRules {
  /// The rules of the daemon: an option comes before kachery.yaml, and that before the environment.
  init(_ configuration: DaemonConfiguration, _ settings: StoreSettings = StoreSettings()) {
    let exceptions = settings.proxyExceptions ?? configuration.environmentProxyExceptions
    if let proxy = configuration.proxy ?? settings.proxy {
      self.init(proxy: proxy, except: exceptions, from: .configuration)
    } else {
      self.init(proxy: configuration.environmentProxy, except: exceptions, from: .environment)
    }
  }
}
